//! Whole measurements: of servers that they start, or of one that runs.

pub mod ceiling;
pub mod fanout;
pub mod notices;
pub mod partners_bad;
