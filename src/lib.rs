//! Gavel.
