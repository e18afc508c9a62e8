//! What the bidding server counted meanwhile: from its `/metrics`, before and after a turn.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::generator::Target;

const WAIT: Duration = Duration::from_secs(5);
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Samples of Prometheus text by name with labels.
pub(in crate::scenario) type Samples = BTreeMap<String, f64>;

/// Asks `target` for Prometheus text.
///
/// # Errors
/// No answer, or one that is not 200.
pub(in crate::scenario) fn fetch(target: &Target) -> io::Result<Samples> {
    let mut stream = TcpStream::connect_timeout(&target.address(), WAIT)?;
    stream.set_read_timeout(Some(WAIT))?;
    // HTTP/1.0: the end of the connection is the end of the text.
    write!(stream, "GET {} HTTP/1.0\r\n\r\n", target.path())?;
    let mut answer = String::new();
    stream.take(BYTES_MAX).read_to_string(&mut answer)?;
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") {
        Ok(parse(text))
    } else {
        let first = head.lines().next().unwrap_or_default();
        Err(io::Error::other(format!(
            "{} answered {first:?}",
            target.path()
        )))
    }
}

/// What the counters called `names` grew by, those that grew, without their prefix and quotes:
/// `no_bids{reason=below_floor}`.
pub(super) fn growth(before: &Samples, after: &Samples, names: &[&str]) -> BTreeMap<String, u64> {
    let grown = after.iter().filter_map(|(sample, now)| {
        let name = sample.split('{').next().unwrap_or_default();
        let by = now - before.get(sample).copied().unwrap_or_default();
        let short = sample.replace("gavel_", "").replace("_total", "");
        (names.contains(&name) && by > 0.0).then(|| (short.replace('"', ""), by as u64))
    });
    grown.collect()
}

fn parse(text: &str) -> Samples {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    samples.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_for_the_counters_asked_for() {
        let before = parse("# HELP x\nx_total 1\nno_total{reason=\"a\"} 5\n");
        let after =
            parse("x_total 1\nno_total{reason=\"a\"} 7\nno_total{reason=\"b c\"} 2\ny_total 9\n");
        let grown = growth(&before, &after, &["x_total", "no_total"]);
        let expected = [("no{reason=a}", 2), ("no{reason=b c}", 2)];
        assert_eq!(grown, expected.map(|(name, by)| (name.into(), by)).into());
    }
}
