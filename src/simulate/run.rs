//! The course of a simulation: records, ticks, notices and crashes in the order of their time.

use super::chance::{Chance, Delay};
use super::node::Node;
use super::notices::{Notices, Origin, Transport};
use super::report::Report;
use super::score::Scores;
use super::setup::Setup;
use super::stream::{Record, Stream};
use crate::clock;
use anyhow::{Context, Result, bail, ensure};
use bidder::{Appraisal, Outcome};
use clap::ValueEnum;
use ledger::{Carry, Cpm};
use serde::Deserialize;

/// How long a node is away after a crash, in milliseconds.
const DOWN_MS: i64 = 2_000;

/// How the exchange prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auction {
    /// The winner pays the highest other bid, at least the floor.
    Second,
    /// The winner pays its bid.
    First,
}

/// What a simulation is like.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How the exchange prices.
    pub auction: Auction,
    /// How notices travel.
    pub transport: Transport,
    /// When the node crashes, unix milliseconds, in order.
    pub crashes: Vec<i64>,
    /// How often the node is maintained, in milliseconds.
    pub tick_ms: i64,
    /// Everything random follows from it.
    pub seed: u64,
    /// Id of the exchange that calls; the first of the resources where `None`.
    pub exchange: Option<String>,
    /// Days of each budget that do not count in the summary.
    pub warm_up: usize,
}

impl Default for Terms {
    fn default() -> Self {
        let second = std::time::Duration::from_secs(1);
        Self {
            auction: Auction::Second,
            transport: Transport {
                bill: Delay::Exponential(10 * second),
                outcome: Delay::Exponential(second),
                loss: 0.0,
            },
            crashes: Vec::new(),
            tick_ms: 10_000,
            seed: 1,
            exchange: None,
            warm_up: 0,
        }
    }
}

/// Runs a stream through a node; `setup` is asked for once the time of the first record is
/// known.
///
/// # Errors
/// What is wrong with stream or resources.
pub fn run(
    setup: impl FnOnce(i64) -> Result<Setup>,
    stream: &mut dyn Stream,
    terms: &Terms,
) -> Result<Report> {
    let begun = clock::now();
    let mut record = Record::default();
    ensure!(stream.next(&mut record)?, "the stream has no record");
    let mut course = Course::new(setup(record.at_ms)?, terms, record.at_ms)?;
    loop {
        course.advance(record.at_ms)?;
        course.auction(&record)?;
        if !stream.next(&mut record)? {
            break;
        }
    }
    course.settle()?;
    if course.malformed == course.records {
        let why = course.fault.unwrap_or_default();
        bail!("no request of the stream can be read: {why}");
    }
    let (node, scores) = (&course.node, &course.scores);
    let mut report = Report::new(node, scores, course.records, terms.warm_up);
    report.malformed = course.malformed;
    report.seconds = (clock::now() - begun).as_secs_f64();
    Ok(report)
}

struct Course<'t> {
    terms: &'t Terms,
    node: Node,
    notices: Notices,
    scores: Scores,
    chance: Chance,
    next_tick_ms: i64,
    crashes: std::slice::Iter<'t, i64>,
    down_until_ms: i64,
    /// Place in the scores by place in the catalog, and what was counted as eligible there.
    places: Vec<Option<usize>>,
    counted: Vec<u64>,
    appraisal: Appraisal,
    out: Vec<u8>,
    records: u64,
    malformed: u64,
    fault: Option<String>,
}

impl<'t> Course<'t> {
    fn new(setup: Setup, terms: &'t Terms, at_ms: i64) -> Result<Self> {
        let start_ms = at_ms.div_euclid(terms.tick_ms) * terms.tick_ms;
        let node = Node::new(setup, terms.exchange.as_deref(), start_ms)?;
        let scores = Scores::new(node.buyers(start_ms)?);
        let mut course = Self {
            terms,
            node,
            notices: Notices::new(terms.transport, terms.seed),
            scores,
            chance: Chance::new(terms.seed, 1),
            next_tick_ms: start_ms + terms.tick_ms,
            crashes: terms.crashes.iter(),
            down_until_ms: 0,
            places: Vec::new(),
            counted: Vec::new(),
            appraisal: Appraisal::default(),
            out: Vec::new(),
            records: 0,
            malformed: 0,
            fault: None,
        };
        course.find_places();
        Ok(course)
    }

    /// The catalog may have changed its order, or lost line items that are over.
    fn find_places(&mut self) {
        let places = self.scores.buyers.iter().enumerate();
        let known: Vec<(u32, usize)> = places
            .filter_map(|(at, buyer)| Some((self.node.place(&buyer.id)?, at)))
            .collect();
        self.places = vec![None; self.node.line_items()];
        for (place, at) in known {
            self.places[place as usize] = Some(at);
        }
    }

    /// Does everything that is due until `until_ms`.
    fn advance(&mut self, until_ms: i64) -> Result<()> {
        loop {
            let notice_ms = self.notices.next_ms().unwrap_or(i64::MAX);
            let crash_ms = self.crashes.as_slice().first().copied().unwrap_or(i64::MAX);
            let next_ms = notice_ms.min(crash_ms).min(self.next_tick_ms);
            if next_ms > until_ms {
                return Ok(());
            }
            if next_ms == notice_ms {
                if let Some(charge) = self.notices.deliver(&mut self.node) {
                    self.scores.charge(charge)?;
                }
            } else if next_ms == crash_ms {
                self.crashes.next();
                self.node.crash(crash_ms)?;
                self.down_until_ms = crash_ms + DOWN_MS;
                self.find_places();
                self.counted.clear();
            } else {
                if self.node.tick(next_ms)? {
                    self.find_places();
                }
                self.counted.clear();
                self.next_tick_ms += self.terms.tick_ms;
            }
        }
    }

    /// Lets everything arrive that is under way.
    fn settle(&mut self) -> Result<()> {
        while let Some(next_ms) = self.notices.next_ms() {
            self.advance(next_ms)?;
        }
        Ok(())
    }

    /// One auction.
    fn auction(&mut self, record: &Record) -> Result<()> {
        self.records += 1;
        let at_ms = record.at_ms;
        self.scores.request(at_ms);
        if at_ms < self.down_until_ms {
            return Ok(());
        }
        self.appraisal.clear();
        for (id, worth) in &record.values {
            if let Some(place) = self.node.place(id) {
                self.appraisal.add(place, *worth);
            }
        }
        let seed = self.chance.bits();
        let (appraisal, out) = (&self.appraisal, &mut self.out);
        let decided = self
            .node
            .decide(&record.request, appraisal, (at_ms, seed), out);
        self.note_eligible(record);
        let floors = Floors::read(&record.request);
        let mut winner = None;
        match decided {
            Ok(_) => winner = self.sell(record, &floors)?,
            Err(Outcome::NoBid(_)) => {}
            Err(Outcome::Malformed(fault)) => {
                self.malformed += 1;
                self.fault.get_or_insert_with(|| fault.to_string());
            }
        }
        let price = record.market.max(floors.of(None));
        self.scores.end(at_ms, price, winner)
    }

    /// Counts for whom the request was eligible: whose count has moved.
    fn note_eligible(&mut self, record: &Record) {
        self.counted.resize(self.places.len(), 0);
        for (place, at) in self.places.iter().enumerate() {
            let now = self.node.eligible(place);
            let weight = now - self.counted[place];
            self.counted[place] = now;
            if let (Some(at), 1..) = (*at, weight) {
                let value = self.value(at, record);
                self.scores.eligible(at, record.at_ms, value, weight);
            }
        }
    }

    fn value(&self, at: usize, record: &Record) -> Cpm {
        let buyer = &self.scores.buyers[at];
        buyer.fixed.unwrap_or_else(|| {
            let values = record.values.iter();
            let own = values.into_iter().find(|(id, _)| *id == buyer.id);
            own.map_or(Cpm(0), |(_, value)| *value)
        })
    }

    /// Holds the auction of each imp that was bid on, and says who won.
    fn sell(&mut self, record: &Record, floors: &Floors) -> Result<Option<usize>> {
        let out = std::mem::take(&mut self.out);
        let response: Response<'_> =
            serde_json::from_slice(&out).context("the bidder's response")?;
        let mut winner = None;
        for bid in response.seatbid.iter().flat_map(|seat| &seat.bid) {
            let place = self.node.place(bid.cid).context("a bid of no line item")?;
            let at = self.places[place as usize].context("a bid of an unknown line item")?;
            let price = Cpm((bid.price * 1e6).round() as i64);
            let reserve = record.market.max(floors.of(Some(bid.impid)));
            let won = price > record.market && price >= reserve;
            let pays = match self.terms.auction {
                Auction::Second => reserve,
                Auction::First => price,
            };
            let origin = Origin {
                line_item: at as u32,
                at_ms: record.at_ms,
                value: self.value(at, record),
            };
            self.scores.bid(at, record.at_ms, won);
            let url = bid.burl.or(bid.nurl).context("a bid without a notice")?;
            let token = url.split_once("t=").map(|(_, rest)| rest);
            let token = token.and_then(|rest| rest.split('&').next());
            let token = token.context("a notice without a token")?;
            let billable = self.node.exchange.billable;
            let arrives = self
                .notices
                .send(won.then_some(pays), billable, token, origin);
            if won {
                winner = Some(at);
                if !arrives {
                    let cost = Carry::default().impression(pays);
                    self.scores.unbilled(at, record.at_ms, cost);
                }
            }
        }
        self.out = out;
        Ok(winner)
    }
}

/// What is read of a response.
#[derive(Deserialize)]
struct Response<'r> {
    #[serde(borrow, default)]
    seatbid: Vec<Seat<'r>>,
}

#[derive(Deserialize)]
struct Seat<'r> {
    #[serde(borrow)]
    bid: Vec<Bid<'r>>,
}

#[derive(Deserialize)]
struct Bid<'r> {
    impid: &'r str,
    cid: &'r str,
    price: f64,
    burl: Option<&'r str>,
    nurl: Option<&'r str>,
}

/// The floors of a request's imps.
#[derive(Default)]
struct Floors(Vec<(String, Cpm)>);

impl Floors {
    fn read(request: &str) -> Self {
        #[derive(Deserialize)]
        struct Imps {
            #[serde(default)]
            imp: Vec<Imp>,
        }
        #[derive(Deserialize)]
        struct Imp {
            #[serde(default)]
            id: String,
            #[serde(default)]
            bidfloor: f64,
        }
        if !request.contains("\"bidfloor\"") {
            return Self::default();
        }
        // What cannot be read here cannot be read by the bidder either.
        let imps = serde_json::from_str::<Imps>(request).map_or(Vec::new(), |imps| imps.imp);
        let floor = |imp: Imp| (imp.id, Cpm((imp.bidfloor * 1e6).round() as i64));
        Self(imps.into_iter().map(floor).collect())
    }

    /// The floor of an imp, of the first where `None`; 0 where there is none.
    fn of(&self, imp: Option<&str>) -> Cpm {
        let mut floors = self.0.iter();
        let found = floors.find(|(id, _)| imp.is_none_or(|imp| imp == id));
        found.map_or(Cpm(0), |(_, floor)| *floor)
    }
}
