//! Whole measurements that start the servers they measure.

pub mod ceiling;
