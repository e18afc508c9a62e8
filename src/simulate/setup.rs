//! What a simulation buys with: the resources of files, checked and compiled as a node does it.

use anyhow::{Context, Result, anyhow, bail};
use bidder::Exchange;
use bidder::catalog::Pacing;
use control::apply::{ApplyError, Documents, Source};
use control::compile::{Compiled, compile};
use control::store::{Record, Store};
use jiff::Timestamp;
use ledger::BudgetSlot;
use ledger::store::Budget;
use std::path::PathBuf;

/// What the change log of the resources says who did it.
const WHO: &str = "gavel simulate";

/// The resources of a simulation.
pub struct Setup {
    records: Vec<Record>,
    /// Replaces the pacing of every campaign.
    pacing: Option<Pacing>,
}

impl Setup {
    /// Reads the resources of files, in a world that begins at `now_ms` (unix milliseconds).
    ///
    /// # Errors
    /// Everything that is wrong with them at once.
    pub fn read(files: &[PathBuf], now_ms: i64) -> Result<Self> {
        let sources = files.iter().map(|path| {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path);
            Ok(Source {
                text: text.with_context(|| format!("{name} cannot be read"))?,
                name,
            })
        });
        Self::new(&sources.collect::<Result<Vec<_>>>()?, now_ms)
    }

    /// Reads the resources of texts.
    ///
    /// # Errors
    /// Everything that is wrong with them at once.
    pub fn new(sources: &[Source], now_ms: i64) -> Result<Self> {
        let documents = Documents::read(sources).map_err(ApplyError::Faults)?;
        let store = Store::in_memory()?;
        let now = Timestamp::from_millisecond(now_ms)?;
        control::apply::apply(&store, &documents, WHO, now)?;
        let records = store.all()?;
        Ok(Self {
            records,
            pacing: None,
        })
    }

    /// Paces every campaign by `pacing`, whatever its own setting is; by its own where `None`.
    pub fn pace_by(&mut self, pacing: Option<Pacing>) {
        self.pacing = pacing;
    }

    /// What the bidder buys with at a moment.
    ///
    /// # Errors
    /// What does not compile, or that there is nothing to buy with.
    pub fn compile(
        &self,
        now_ms: i64,
        slot: &mut dyn FnMut(&Budget) -> Option<BudgetSlot>,
    ) -> Result<Compiled> {
        let now = Timestamp::from_millisecond(now_ms)?;
        let mut compiled = compile(&self.records, now, slot).map_err(|faults| {
            let lines = faults
                .iter()
                .map(|f| format!("{}: {}", f.pointer, f.detail));
            anyhow!(
                "the resources do not compile: {}",
                lines.collect::<Vec<_>>().join("; ")
            )
        })?;
        if let Some(pacing) = self.pacing {
            for campaign in &mut compiled.bidder.campaigns {
                campaign.pacing = pacing;
            }
        }
        Ok(compiled)
    }

    /// The exchange that calls: the one of the given id, else the first one of the resources,
    /// else one of usual settings.
    ///
    /// # Errors
    /// Where there is none of that id, or its prices are sealed, which a stream's are not.
    pub fn exchange(&self, compiled: &Compiled, id: Option<&str>) -> Result<Exchange> {
        let wanted = compiled
            .sellers
            .iter()
            .find(|seller| id.is_none_or(|id| seller.id == id));
        if let Some(seller) = wanted {
            return Ok(crate::publisher::partners::caller(
                seller,
                bidder::notice::price::Form::Cpm,
            ));
        }
        if let Some(id) = id {
            bail!("no exchange {id} is among the resources");
        }
        let payer = compiled.bidder.advertisers.first();
        let payer = payer.context("no line item of the resources can serve at this time")?;
        Ok(Exchange::new("simulate", payer.currency))
    }
}
