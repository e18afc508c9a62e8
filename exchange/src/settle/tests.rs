//! Tests of the response and of the notices.
