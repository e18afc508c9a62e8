//! Gavel.
fn main() {}
