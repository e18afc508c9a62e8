//! The only place that reads a clock. Everything else is told the time.

#![allow(
    clippy::disallowed_methods,
    reason = "this is where time enters the program"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, for deadlines and latencies. It never goes back.
pub fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time in milliseconds since 1970, for flights, tokens and the event log.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Wall-clock time in whole seconds since 1970.
pub fn unix_s() -> u32 {
    u32::try_from(unix_ms() / 1000).unwrap_or(u32::MAX)
}
