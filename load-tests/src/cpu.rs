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

/// User and system time that the process `pid` has used, all its threads, in steps of 10 ms.
///
/// # Errors
/// There is no such process, or no `/proc`.
pub fn process_time(pid: u32) -> io::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path)?;
    let ticks = ticks(&text).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{path} has no processor time"),
        )
    })?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
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
}
