//! Refused notices: kept with their reason, listed, and judged again after what was wrong has been
//! put right. A replay is an ordinary notice at the time at which it came: what was charged
//! meanwhile is charged no second time, and no budget is exceeded.

mod list;

use crate::clock;
use crate::data_plane::notice::{Texts, conclude, judge};
use crate::node::{self, Node};
use anyhow::{Context, Result, anyhow};
use bidder::notice::Notice;
use ledger::event::Kind;
use ledger::letter::Wanted;
use ledger::store::{Refused, SqliteStore};
use ledger::token::{Claims, Purpose, Rejected, reread};
use ledger::{DeadLetter, Micros, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, channel};

pub use list::{NoticesArguments, shown};

/// Most letters that anybody could have sent and that wait for the ledger at one time: a flood of
/// them takes no more than this from each commit.
const MOST_STRAYS_AT_ONCE: u32 = 64;

/// Keeps a letter. Nobody waits for it: the answer to the notice is the same.
pub(crate) fn keep(node: &Node, letter: DeadLetter) {
    let (kept, shed) = (
        node.telemetry.letters_kept.clone(),
        node.telemetry.letters_shed.clone(),
    );
    let strays = (!letter.verified).then(|| node.strays.clone());
    if let Some(strays) = &strays
        && strays.fetch_add(1, Relaxed) >= MOST_STRAYS_AT_ONCE
    {
        strays.fetch_sub(1, Relaxed);
        shed.increment(1);
        return;
    }
    let reply = move |result: Result<Outcome, ledger::Refusal>| {
        if let Some(strays) = strays {
            strays.fetch_sub(1, Relaxed);
        }
        let counter = if result.is_ok() { kept } else { shed };
        counter.increment(1);
    };
    node.writer.refuse(letter, Box::new(reply));
}

/// Letters of the books, see [`SqliteStore::letters`].
///
/// # Errors
/// Where the books cannot be read.
pub fn find(
    storage: &std::path::Path,
    wanted: &Wanted,
    from: Option<i64>,
    oldest_first: bool,
    most: u32,
) -> Result<Vec<Refused>> {
    let books =
        SqliteStore::read(&node::ledger_file(storage)).context("the ledger cannot be read")?;
    Ok(books.letters(wanted, from, oldest_first, most)?)
}

/// Judges up to `most` open letters again, the oldest after the letter `after` first, and says what
/// came of each.
///
/// # Errors
/// Where the books cannot be read or written.
pub fn replay(node: &Node, wanted: &Wanted, after: Option<i64>, most: u32) -> Result<Value> {
    let wanted = Wanted {
        open: true,
        ..wanted.clone()
    };
    let letters = find(&node.settings.storage, &wanted, after, true, most)?;
    let waiting: Vec<Judged> = letters
        .iter()
        .map(|letter| hand_over(node, letter))
        .collect();
    let mut done = Vec::with_capacity(letters.len());
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (letter, judged) in letters.iter().zip(waiting) {
        let outcome = settle(node, letter, judged)?;
        *counts.entry(outcome).or_default() += 1;
        done.push((letter.id, outcome));
    }
    let items: Vec<Value> = done
        .iter()
        .map(|(id, outcome)| json!({ "id": id, "outcome": outcome }))
        .collect();
    let next = (done.len() == most as usize)
        .then(|| done.last().map(|(id, _)| *id))
        .flatten();
    let now_ms = clock::unix_ms();
    let noted = node.writer.call(move |store| store.replayed(&done, now_ms));
    noted.ok_or_else(|| anyhow!("the ledger has stopped"))??;
    Ok(json!({ "items": items, "outcomes": counts, "next": next }))
}

/// A letter on its second way.
enum Judged {
    /// The ledger has its event and will say.
    Handed((Kind, Micros), Receiver<Result<Outcome, ledger::Refusal>>),
    /// It is refused again, or cannot be judged.
    Refused(&'static str),
}

fn hand_over(node: &Node, letter: &Refused) -> Judged {
    let mut buffer = Vec::new();
    let Some(read) = Read::of(&letter.told) else {
        return Judged::Refused("not_kept");
    };
    let claims = match read.claims(node, letter, &mut buffer) {
        Ok(claims) => claims,
        Err(rejected) => return Judged::Refused(rejected.label()),
    };
    let texts = Texts::read(read.query);
    let event = match judge(node, read.notice, &claims, texts.fields(), letter.at_ms) {
        Ok(event) => event,
        Err((_, why)) => return Judged::Refused(why.label()),
    };
    let (told, answer) = channel();
    let reply = move |result| {
        // Whoever asked for the replay may have gone; the event stands all the same.
        let _ = told.send(result);
    };
    let charge = (event.kind, event.most());
    node.writer.record(event, Box::new(reply));
    Judged::Handed(charge, answer)
}

fn settle(node: &Node, letter: &Refused, judged: Judged) -> Result<&'static str> {
    let (charge, answer) = match judged {
        Judged::Handed(charge, answer) => (charge, answer),
        Judged::Refused(why) => return Ok(why),
    };
    let outcome = answer.recv().unwrap_or(Err(ledger::Refusal::Stopped));
    node.telemetry.settled(outcome);
    let outcome = outcome?;
    let mut buffer = Vec::new();
    if let Some(read) = Read::of(&letter.told)
        && let Ok(claims) = read.claims(node, letter, &mut buffer)
    {
        conclude(node, &claims, charge, outcome);
    }
    Ok(match outcome {
        Outcome::Recorded => "recorded",
        Outcome::Charged { .. } => "charged",
        Outcome::OverDelivered { .. } => "over_delivered",
        Outcome::Duplicate => "duplicate",
        Outcome::Refused { fault } => fault.label(),
    })
}

/// A notice as it was kept.
struct Read<'l> {
    notice: Notice,
    purpose: Purpose,
    query: &'l str,
}

impl<'l> Read<'l> {
    fn of(told: &'l str) -> Option<Self> {
        let (path, query) = told.split_once('?')?;
        let (notice, purpose) = match path {
            "/n/win" => (Notice::Win, Purpose::Notice),
            "/n/bill" => (Notice::Bill, Purpose::Notice),
            "/n/loss" => (Notice::Loss, Purpose::Notice),
            "/t/imp" => (Notice::Impression, Purpose::Impression),
            "/t/click" => (Notice::Click, Purpose::Click),
            _ => return None,
        };
        Some(Self {
            notice,
            purpose,
            query,
        })
    }

    /// The claims as of the moment at which the notice came. What was verified then is not asked
    /// for its signature again: its key may have been rotated out since.
    fn claims<'b>(
        &self,
        node: &Node,
        letter: &Refused,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Claims<'b>, Rejected> {
        let token = crate::http::query(self.query, "t").unwrap_or_default();
        let claims = if letter.verified {
            reread(&token, buffer)?
        } else {
            node.signer.authenticate(self.purpose, &token, buffer)?
        };
        if i64::from(claims.expires_at) < letter.at_ms / 1_000 {
            return Err(Rejected::Expired);
        }
        Ok(claims)
    }
}
