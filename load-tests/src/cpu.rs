//! Processor time of a process, and keeping a process on one core.
//!
//! Pinning goes through the program `taskset` (util-linux). Where it is missing or forbidden,
//! measurements still run, and say in their first line that nothing is pinned.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

/// `USER_HZ`: the unit of `/proc/PID/stat`, which Linux keeps at 100 on all common machines.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time that the threads of the process `pid` have used, in nanoseconds where the
/// kernel keeps scheduler statistics, else in steps of 10 ms. Without the steps, time of threads
/// that have ended is left out: good for servers, whose threads live as long as they do.
///
/// # Errors
/// There is no such process, or no `/proc`.
pub fn process_time(pid: u32) -> io::Result<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?;
    let mut sum = Duration::ZERO;
    for thread in threads {
        // One that cannot be read has ended since, or the kernel keeps no statistics.
        if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
            sum += on_processor(&text).ok_or_else(|| unreadable(pid, "schedstat"))?;
        }
    }
    if sum.is_zero() {
        by_ticks(pid)
    } else {
        Ok(sum)
    }
}

fn by_ticks(pid: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks(&text).ok_or_else(|| unreadable(pid, "stat"))?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

fn unreadable(pid: u32, file: &str) -> io::Error {
    let why = format!("/proc/{pid}/{file} has no processor time");
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The first field of a thread's `schedstat`, nanoseconds.
fn on_processor(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Fields 14 and 15. The name of the program, field 2, may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Whether processes can be kept on a core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinning {
    /// They can.
    Available,
    /// They cannot.
    Unavailable {
        /// Why, and what to install.
        why: String,
    },
}

impl Pinning {
    /// Tries it: runs `true` on each of `cores`.
    pub fn probe(cores: &[usize]) -> Self {
        for &core in cores {
            let tried = quiet(Command::new("taskset").args(["-c", &core.to_string(), "true"]));
            let why = match tried {
                Ok(status) if status.success() => continue,
                Ok(_) => format!("taskset cannot use core {core}; is it among the allowed ones?"),
                Err(error) => format!("taskset cannot be run ({error}); it is in util-linux"),
            };
            return Self::Unavailable { why };
        }
        Self::Available
    }

    /// A command for `program` that stays on `core` where that is possible.
    ///
    /// `taskset` replaces itself by the program, so the child's id is the program's.
    pub fn command(&self, core: usize, program: &str) -> Command {
        match self {
            Self::Available => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string(), program]);
                command
            }
            Self::Unavailable { .. } => Command::new(program),
        }
    }

    /// Keeps this process, all its threads, on `core` where that is possible.
    ///
    /// # Errors
    /// `taskset` was found but failed.
    pub fn pin_self(&self, core: usize) -> io::Result<()> {
        if let Self::Unavailable { .. } = self {
            return Ok(());
        }
        let pid = std::process::id().to_string();
        let mut command = Command::new("taskset");
        let status = quiet(command.args(["-a", "-c", "-p", &core.to_string(), &pid]))?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "taskset could not keep process {pid} on core {core}"
            )))
        }
    }
}

fn quiet(command: &mut Command) -> io::Result<std::process::ExitStatus> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_and_parentheses_do_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 75 0 0 20 0 1 0 9 9 9";
        assert_eq!(ticks(stat), Some(325));
        assert_eq!(ticks("42 (a) S 1"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn a_busy_process_uses_processor_time() {
        let pid = std::process::id();
        let before = process_time(pid).unwrap();
        let mut sum = 0_u64;
        while process_time(pid).unwrap() == before {
            sum = (0..100_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(process_time(pid).unwrap() > before);
        assert!(process_time(u32::MAX).is_err());
    }

    #[test]
    fn a_thread_s_time_is_the_first_field() {
        let nanos = Duration::from_nanos(255_479);
        assert_eq!(on_processor("255479 14397951 2\n"), Some(nanos));
        assert_eq!(on_processor(""), None);
    }

    #[test]
    fn steps_are_the_fallback() {
        let begun = by_ticks(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while by_ticks(std::process::id()).unwrap() == begun {
            sum = (0..100_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(by_ticks(u32::MAX).is_err());
    }
}
