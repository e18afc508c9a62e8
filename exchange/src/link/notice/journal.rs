//! The notices that outlive the process: a SQLite file of its own beside the ledger's, written
//! by the thread that sends. Cost: one sync for each batch of billing notices, none for the
//! others; about 10 µs a notice.
//!
//! The key of a sale stays after its notice was delivered, for as long as the impression could
//! be reported once more, so that a repeated report sends no second notice.

use super::{Device, Kind, Notice};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the journal of notices: {0}")]
pub struct Unusable(#[from] rusqlite::Error);

/// What became of a notice that was under way.
#[derive(Clone, Debug)]
pub(super) enum Settled {
    /// It is done with: delivered, or given up.
    Done,
    /// It is tried again after a pause.
    Again { attempts: u32, pause: Duration },
}

/// The journal.
pub struct Journal {
    connection: Connection,
    /// The most notices that wait in it.
    most: usize,
    waiting: usize,
    /// How many of them are of each partner: counting rows each second would cost more than
    /// sending what is due.
    backlog: HashMap<String, u64>,
    /// Places of the notices that are under way.
    under_way: HashSet<i64>,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS notice (
        place INTEGER PRIMARY KEY,
        sale BLOB UNIQUE,
        partner TEXT NOT NULL,
        kind INTEGER NOT NULL,
        url TEXT NOT NULL,
        allow_private INTEGER NOT NULL,
        ip TEXT,
        user_agent TEXT,
        attempts INTEGER NOT NULL,
        since_ms INTEGER NOT NULL,
        due_ms INTEGER
    ) STRICT;
    CREATE INDEX IF NOT EXISTS notice_due ON notice (due_ms) WHERE due_ms IS NOT NULL;
    CREATE INDEX IF NOT EXISTS notice_done ON notice (since_ms) WHERE due_ms IS NULL;
";

/// How long to wait for a lock that another program holds on the file.
const PATIENCE: Duration = Duration::from_secs(5);

impl Journal {
    /// Opens the journal of an earlier run, or a new one, for at most `most` waiting notices.
    ///
    /// # Errors
    /// Where the file cannot be opened or is no journal.
    pub fn open(path: &Path, most: usize) -> Result<Self, Unusable> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        Self::of(connection, most)
    }

    /// A journal that is gone with the process.
    ///
    /// # Errors
    /// Where memory cannot be had.
    pub fn in_memory(most: usize) -> Result<Self, Unusable> {
        Self::of(Connection::open_in_memory()?, most)
    }

    fn of(connection: Connection, most: usize) -> Result<Self, Unusable> {
        connection.execute_batch(SCHEMA)?;
        let count = "SELECT COUNT(*) FROM notice WHERE due_ms IS NOT NULL";
        let waiting: i64 = connection.query_row(count, [], |row| row.get(0))?;
        let backlog = backlog(&connection)?;
        Ok(Self {
            connection,
            most,
            waiting: usize::try_from(waiting).unwrap_or(usize::MAX),
            backlog,
            under_way: HashSet::new(),
        })
    }

    /// How many notices wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether there is room for so many more.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.waiting + more <= self.most
    }

    /// Writes one batch: billing notices with their sales, which become under way, notices to
    /// be tried after a pause, and what became of others. Synced where a sale is among them.
    /// The places of the billing notices come back; `None` where the sale is known already.
    pub(super) fn write(
        &mut self,
        sales: &[(&Notice, [u8; 16])],
        later: &[(Notice, Duration)],
        settled: &[(i64, Settled)],
        now_ms: i64,
    ) -> Result<Vec<Option<i64>>, Unusable> {
        let synchronous = if sales.is_empty() { "NORMAL" } else { "FULL" };
        self.connection
            .pragma_update(None, "synchronous", synchronous)?;
        let change = self.connection.transaction()?;
        let mut places = Vec::with_capacity(sales.len());
        for (notice, sale) in sales {
            places.push(insert(&change, notice, Some(sale), now_ms, now_ms)?);
        }
        for (notice, pause) in later {
            insert(&change, notice, None, now_ms, after(now_ms, *pause))?;
        }
        let mut done = Vec::new();
        for (place, outcome) in settled {
            done.extend(settle(&change, *place, outcome, now_ms)?);
        }
        change.commit()?;
        let written = sales
            .iter()
            .zip(&places)
            .filter(|(_, place)| place.is_some());
        let written = written.map(|((notice, _), _)| *notice);
        for notice in written.chain(later.iter().map(|(notice, _)| notice)) {
            *self.backlog.entry(notice.partner.to_string()).or_default() += 1;
        }
        for partner in &done {
            if let Some(count) = self.backlog.get_mut(partner) {
                *count = count.saturating_sub(1);
            }
        }
        self.backlog.retain(|_, count| *count > 0);
        self.under_way.extend(places.iter().flatten());
        for (place, _) in settled {
            self.under_way.remove(place);
        }
        let new = places.iter().flatten().count() + later.len();
        self.waiting = (self.waiting + new).saturating_sub(done.len());
        Ok(places)
    }

    /// Up to `most` notices that are due and not under way, which they are from now on. Those
    /// of the partners in `resting` stay.
    pub(super) fn due(
        &mut self,
        most: usize,
        resting: &HashSet<Arc<str>>,
        now_ms: i64,
    ) -> Result<Vec<(Notice, i64)>, Unusable> {
        let mut select = self.connection.prepare_cached(
            "SELECT place, partner, kind, url, allow_private, ip, user_agent, attempts, since_ms
             FROM notice WHERE due_ms <= ?1 ORDER BY due_ms",
        )?;
        let mut rows = select.query([now_ms])?;
        let mut due = Vec::new();
        // Those of resting partners are passed over, which costs a row each: the look is
        // bounded, and what lies behind comes when they were tried or given up.
        let mut looks = most * 16 + self.under_way.len();
        while due.len() < most
            && looks > 0
            && let Some(row) = rows.next()?
        {
            looks -= 1;
            let place: i64 = row.get(0)?;
            let partner: String = row.get(1)?;
            if self.under_way.contains(&place) || resting.contains(&*partner) {
                continue;
            }
            let kind: i64 = row.get(2)?;
            let kind = Kind::ALL.into_iter().find(|known| *known as i64 == kind);
            let device = Device {
                ip: row.get(5)?,
                user_agent: row.get(6)?,
            };
            let notice = Notice {
                device: Some(device).filter(|device| *device != Device::default()),
                attempts: row.get(7)?,
                place: Some(place),
                ..Notice::new(
                    kind.unwrap_or(Kind::Loss),
                    partner.into(),
                    row.get(3)?,
                    row.get(4)?,
                )
            };
            due.push((notice, row.get(8)?));
        }
        drop(rows);
        drop(select);
        let places = due.iter().filter_map(|(notice, _)| notice.place);
        self.under_way.extend(places);
        Ok(due)
    }

    /// Forgets sales whose notices are done with and which are older than `keep`.
    pub(super) fn forget(&mut self, keep: Duration, now_ms: i64) -> Result<(), Unusable> {
        let before = after(now_ms, keep).saturating_sub(now_ms);
        self.connection.execute(
            "DELETE FROM notice WHERE due_ms IS NULL AND since_ms < ?1",
            [now_ms - before],
        )?;
        Ok(())
    }

    /// How many notices of each partner wait.
    pub(super) fn backlog(&self) -> &HashMap<String, u64> {
        &self.backlog
    }
}

fn backlog(connection: &Connection) -> Result<HashMap<String, u64>, Unusable> {
    let mut select = connection.prepare(
        "SELECT partner, COUNT(*) FROM notice WHERE due_ms IS NOT NULL GROUP BY partner",
    )?;
    let rows = select.query_map([], |row| {
        let count: i64 = row.get(1)?;
        Ok((row.get(0)?, count.unsigned_abs()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn after(now_ms: i64, pause: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

/// The place of a new notice; `None` where its sale is known.
fn insert(
    change: &Transaction<'_>,
    notice: &Notice,
    sale: Option<&[u8; 16]>,
    now_ms: i64,
    due_ms: i64,
) -> Result<Option<i64>, Unusable> {
    let device = notice.device.as_ref();
    let mut statement = change.prepare_cached(
        "INSERT INTO notice (sale, partner, kind, url, allow_private, ip, user_agent, attempts,
             since_ms, due_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (sale) DO NOTHING RETURNING place",
    )?;
    let place = statement.query_row(
        params![
            sale.map(<[u8; 16]>::as_slice),
            &*notice.partner,
            notice.kind as i64,
            notice.url,
            notice.allow_private,
            device.and_then(|device| device.ip.as_deref()),
            device.and_then(|device| device.user_agent.as_deref()),
            notice.attempts,
            now_ms,
            due_ms,
        ],
        |row| row.get(0),
    );
    Ok(place.optional()?)
}

/// Writes what became of a notice, and says the partner of one that waits no more.
fn settle(
    change: &Transaction<'_>,
    place: i64,
    outcome: &Settled,
    now_ms: i64,
) -> Result<Option<String>, Unusable> {
    match outcome {
        Settled::Done => {
            let mut kept = change.prepare_cached(
                "UPDATE notice SET due_ms = NULL, url = '', ip = NULL, user_agent = NULL
                 WHERE place = ?1 AND sale IS NOT NULL RETURNING partner",
            )?;
            let partner = kept.query_row([place], |row| row.get(0)).optional()?;
            if partner.is_some() {
                return Ok(partner);
            }
            let mut gone =
                change.prepare_cached("DELETE FROM notice WHERE place = ?1 RETURNING partner")?;
            Ok(gone.query_row([place], |row| row.get(0)).optional()?)
        }
        Settled::Again { attempts, pause } => {
            let mut update = change
                .prepare_cached("UPDATE notice SET attempts = ?2, due_ms = ?3 WHERE place = ?1")?;
            update.execute(params![place, attempts, after(now_ms, *pause)])?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(kind: Kind, partner: &str) -> Notice {
        Notice::new(kind, partner.into(), format!("http://{partner}/"), true)
    }

    fn due(journal: &mut Journal, now_ms: i64) -> Vec<Notice> {
        let due = journal.due(10, &HashSet::new(), now_ms).unwrap();
        due.into_iter().map(|(notice, _)| notice).collect()
    }

    #[test]
    fn a_sale_is_kept_once_also_after_its_notice_was_delivered() {
        let folder = std::env::temp_dir().join(format!("notices-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("journal.sqlite");
        let bill = notice(Kind::Bill, "dsp");
        let mut journal = Journal::open(&path, 10).unwrap();
        let places = journal.write(&[(&bill, [1; 16]), (&bill, [1; 16])], &[], &[], 0);
        let place = places.unwrap()[0].unwrap();
        assert_eq!(journal.waiting(), 1);
        assert!(due(&mut journal, 5).is_empty(), "it is under way");
        // The process dies, and another one goes on.
        drop(journal);
        let mut journal = Journal::open(&path, 10).unwrap();
        let found = due(&mut journal, 5);
        assert_eq!((found.len(), found[0].place), (1, Some(place)));
        assert_eq!((found[0].kind, &*found[0].url), (Kind::Bill, "http://dsp/"));
        journal
            .write(&[], &[], &[(place, Settled::Done)], 9)
            .unwrap();
        assert_eq!((journal.waiting(), due(&mut journal, 99).len()), (0, 0));
        let again = journal.write(&[(&bill, [1; 16])], &[], &[], 10).unwrap();
        assert_eq!(again, [None]);
        journal.forget(Duration::from_millis(50), 51).unwrap();
        let after = journal.write(&[(&bill, [1; 16])], &[], &[], 51).unwrap();
        assert!(after[0].is_some(), "the sale is older than it is kept");
        drop(journal);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_tried_again_is_due_after_its_pause() {
        let mut journal = Journal::in_memory(10).unwrap();
        let mut loss = notice(Kind::Loss, "dsp");
        loss.attempts = 1;
        loss.device = Some(Device {
            ip: Some("192.0.2.0".into()),
            user_agent: None,
        });
        let pause = Duration::from_millis(100);
        journal.write(&[], &[(loss, pause)], &[], 0).unwrap();
        assert!(due(&mut journal, 99).is_empty());
        let found = due(&mut journal, 100).remove(0);
        assert_eq!((found.attempts, found.kind), (1, Kind::Loss));
        assert_eq!(found.device.unwrap().ip.as_deref(), Some("192.0.2.0"));
        let place = found.place.unwrap();
        let again = Settled::Again { attempts: 2, pause };
        journal.write(&[], &[], &[(place, again)], 100).unwrap();
        assert!(due(&mut journal, 199).is_empty());
        assert_eq!(due(&mut journal, 200)[0].attempts, 2);
        journal
            .write(&[], &[], &[(place, Settled::Done)], 200)
            .unwrap();
        assert_eq!(journal.waiting(), 0);
    }

    #[test]
    fn those_of_a_resting_partner_do_not_stand_before_the_others() {
        let mut journal = Journal::in_memory(100).unwrap();
        let now = Duration::ZERO;
        let mut later: Vec<_> = (0..20).map(|_| (notice(Kind::Win, "ill"), now)).collect();
        later.push((notice(Kind::Win, "well"), now));
        journal.write(&[], &later, &[], 0).unwrap();
        let resting = HashSet::from(["ill".into()]);
        let found = journal.due(2, &resting, 0).unwrap();
        assert_eq!((found.len(), &*found[0].0.partner), (1, "well"));
        let well = found[0].0.place.unwrap();
        let of = |journal: &Journal, partner: &str| journal.backlog().get(partner).copied();
        assert_eq!(
            (of(&journal, "ill"), of(&journal, "well")),
            (Some(20), Some(1))
        );
        journal
            .write(&[], &[], &[(well, Settled::Done)], 0)
            .unwrap();
        assert_eq!(
            (of(&journal, "ill"), of(&journal, "well")),
            (Some(20), None)
        );
        journal.write(&[], &later[20..], &[], 0).unwrap();
        assert!(journal.has_room(79) && !journal.has_room(80));
    }

    #[test]
    fn a_file_that_is_no_journal_is_refused() {
        let path = std::env::temp_dir().join(format!("no-journal-{}", std::process::id()));
        std::fs::write(
            &path,
            "not a database, by any means, however long it is read",
        )
        .unwrap();
        let told = Journal::open(&path, 1).err().unwrap().to_string();
        assert!(told.contains("not a database"), "{told}");
        std::fs::remove_file(&path).unwrap();
    }
}
