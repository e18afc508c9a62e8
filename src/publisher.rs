//! The maintenance thread: watches for changes, compiles, balances leases, and publishes what
//! the data plane reads. It frees what nobody reads any more, so that no serving thread does.

use crate::clock;
use crate::leases::Leases;
use crate::node::{Node, rates};
use crate::shutdown::Shutdown;
use crate::snapshot::Snapshot;
use anyhow::{Context, Result, anyhow};
use control::compile::compile;
use exchange::Market;
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often changes are looked for and leases balanced.
const TICK: Duration = Duration::from_millis(200);
/// Places of the reservation table that one tick looks at.
const SWEEP: usize = 65_536;

/// The state of the maintenance thread.
pub struct Publisher {
    node: Arc<Node>,
    leases: Leases,
    generation: Option<u64>,
    next_change: Option<Timestamp>,
    used: HashSet<String>,
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// The maintenance of `node`.
    pub fn new(node: Arc<Node>) -> Self {
        let settings = &node.settings;
        let (least, share) = (settings.min_slice.0, settings.lease_share_percent);
        let leases = Leases::new(Arc::clone(&node.book), least, share);
        Self {
            node,
            leases,
            generation: None,
            next_change: None,
            used: HashSet::new(),
            retired: Vec::new(),
        }
    }

    /// Works in turns until the shutdown; `woken` cuts a pause short after a change by the API.
    /// `report` is told of faults: they leave what is published in use.
    pub fn run(
        mut self,
        woken: &Receiver<()>,
        shutdown: &Shutdown,
        report: impl Fn(&anyhow::Error),
    ) {
        while !shutdown.begun() {
            if let Err(error) = self.turn() {
                report(&error);
            }
            match woken.recv_timeout(TICK) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
            }
        }
    }

    fn turn(&mut self) -> Result<()> {
        let now_s = clock::unix_s();
        let now = Timestamp::from_millisecond(clock::unix_ms())?;
        let generation = self.node.resources.generation()?;
        let due = self.next_change.is_some_and(|change| change <= now);
        if self.generation != Some(generation) || due {
            self.compile(now)?;
            self.generation = Some(generation);
        }
        self.node.reservations.sweep(&self.node.book, now_s, SWEEP);
        let balanced = self.leases.balance(&self.node.writer, &self.used);
        balanced.context("the ledger has ended")??;
        // A generation is freed here, by its last owner, once every request has moved on.
        self.retired.retain(|old| Arc::strong_count(old) > 1);
        Ok(())
    }

    fn compile(&mut self, now: Timestamp) -> Result<()> {
        let records = self.node.resources.all()?;
        let leases = &mut self.leases;
        let compiled = compile(&records, now, &mut |budget| leases.slot(&budget.key))
            .map_err(|faults| {
                let shown: Vec<String> =
                    faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect();
                anyhow!("the resources do not compile: {}", shown.join("; "))
            })?;
        self.used = compiled.budgets.iter().map(|budget| budget.key.clone()).collect();
        let budgets = compiled.budgets;
        let stored = self.node.writer.call(move |store| store.set_budgets(&budgets));
        stored.context("the ledger has ended")??;
        let before = self.node.snapshot.load_full();
        let market = Market::compile(
            compiled.exchange,
            rates(&self.node.settings),
            Some(&before.market),
        )
        .map_err(|faults| anyhow!("the market does not compile: {faults:?}"))?;
        let next = Snapshot { market: Arc::new(market), geo: before.geo.clone() };
        drop(before);
        self.retired.push(self.node.publish(Arc::new(next)));
        self.next_change = compiled.next_change;
        Ok(())
    }
}
