//! Bids together: one for each imp, or as many as its pod takes; who may stand beside whom.

use super::read::{number, numbers, text, texts};
use super::{Case, Faults};

pub(super) fn across(cases: &[Case<'_>], faults: &mut Faults) {
    for (at, case) in cases.iter().enumerate() {
        position(case, faults);
        let same: Vec<&Case<'_>> = cases
            .iter()
            .filter(|other| std::ptr::eq(other.imp, case.imp))
            .collect();
        if std::ptr::eq(same[0], case) {
            together(&same, faults);
        }
        for other in &cases[..at] {
            pair(case, other, faults);
        }
    }
}

/// All the bids for one imp.
fn together(bids: &[&Case<'_>], faults: &mut Faults) {
    let slot = bids[0].slot;
    let seconds = number(&slot["poddur"]).filter(|seconds| *seconds > 0.0);
    faults.unless(seconds.is_some() || bids.len() == 1, || {
        format!("{} bids for an imp without a pod", bids.len())
    });
    let formats: Vec<&str> = bids.iter().map(|bid| bid.format).collect();
    faults.unless(formats.iter().all(|format| *format == formats[0]), || {
        format!("formats {formats:?} for one imp")
    });
    let Some(seconds) = seconds else { return };
    let most = number(&slot["maxseq"]).filter(|most| *most > 0.0);
    faults.unless(most.is_none_or(|most| bids.len() as f64 <= most), || {
        format!("{} bids, maxseq {most:?}", bids.len())
    });
    let filled: i64 = bids.iter().map(|bid| bid.fact.duration).sum();
    faults.unless(filled as f64 <= seconds, || {
        format!("{filled} s in a pod of {seconds} s")
    });
}

fn position(case: &Case<'_>, faults: &mut Faults) {
    let wanted = number(&case.bid["slotinpod"]).unwrap_or_default() as i64;
    let given = number(&case.slot["slotinpod"]).unwrap_or_default() as i64;
    let fits = match wanted {
        0 => true,
        1 => given == 1 || given == 2,
        -1 => given == -1 || given == 2,
        _ => false,
    };
    faults.unless(fits, || format!("slot {wanted} asked, {given} is given"));
}

/// The pod of a bid: its name, or its imp's.
fn pod(case: &Case<'_>) -> Option<String> {
    let named = text(&case.slot["podid"]);
    if !named.is_empty() {
        return Some(format!("{} {named}", case.format));
    }
    let dynamic = number(&case.slot["poddur"]).is_some_and(|seconds| seconds > 0.0);
    dynamic.then(|| format!("{} of {}", case.format, case.imp["id"]))
}

fn pair(one: &Case<'_>, other: &Case<'_>, faults: &mut Faults) {
    let field = |name: &str| (text(&one.bid[name]), text(&other.bid[name]));
    let (a, b) = field("cid");
    faults.unless(a != b, || format!("{a} bids twice"));
    let (a, b) = field("id");
    faults.unless(a != b, || format!("two bids have the id {a}"));
    let rivals = one.fact.advertiser != other.fact.advertiser
        && one
            .fact
            .rivals
            .iter()
            .any(|label| other.fact.rivals.contains(label));
    faults.unless(!rivals, || {
        let (one, other) = (one.fact.advertiser, other.fact.advertiser);
        format!("{one} beside its competitor {other}")
    });
    let same_pod = pod(one).is_some_and(|name| Some(name) == pod(other));
    if !same_pod {
        return;
    }
    let codes = [one, other].map(|case| numbers(&case.slot["poddedupe"]));
    for code in codes.concat() {
        let shared = |name: &str| {
            let other = texts(&other.bid[name]);
            texts(&one.bid[name]).iter().any(|own| other.contains(own))
        };
        let twice = match code as i64 {
            1 => shared("adomain"),
            2 => shared("cat"),
            3 => shared("crid"),
            4 => one.fact.file == other.fact.file,
            _ => false,
        };
        faults.unless(!twice, || {
            format!("{} twice in a pod, rule {code}", one.bid["crid"])
        });
    }
}
