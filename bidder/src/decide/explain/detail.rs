//! What a rule wants and what the request says, in words. Nothing is decided here: the reason
//! is given.

use crate::NoBid;
use crate::catalog::{Dimension, Display, Format, Item, Kind, Strategy, Subject};
use crate::decide::Snapshot;
use crate::dimension::place;
use crate::frequency::Cap;
use crate::reserve::{Holder, Runtime};
use crate::respond;
use ledger::{Cpm, Micros};
use openrtb::BidRequest;
use openrtb::request::{Deal, Imp};
use std::fmt::Display as Shown;

/// Most creatives that are named.
const MOST: usize = 8;

/// What a reason is about.
pub(super) struct Facts<'f, 's, 'a> {
    pub(super) snapshot: &'f Snapshot<'s>,
    pub(super) runtime: Runtime<'f>,
    pub(super) request: &'f BidRequest<'a>,
    pub(super) imp: &'f Imp<'a>,
    pub(super) holder: Option<Holder>,
}

/// What the request says about a subject, as the API writes values of it.
pub(super) fn readable(
    subject: &Subject,
    seen: Vec<String>,
    request: &BidRequest<'_>,
) -> Vec<String> {
    let Subject::Of(dimension) = subject else {
        return seen;
    };
    let decoded = |decode: fn(u64) -> String| {
        let code = |text: &String| text.parse::<i64>().map(|code| decode(code as u64));
        seen.iter().filter_map(|text| code(text).ok()).collect()
    };
    match dimension {
        Dimension::Slot => decoded(slot),
        Dimension::Ratio => decoded(ratio),
        Dimension::Radius => {
            let degrees = |e6: i32| f64::from(e6) / 1e6;
            let point = place::point(request);
            let shown = point.map(|(lat, lon)| format!("{}, {}", degrees(lat), degrees(lon)));
            shown.into_iter().collect()
        }
        other => {
            debug_assert_ne!(other.kind(), Kind::Circle);
            seen
        }
    }
}

fn ratio(code: u64) -> String {
    format!("{}:{}", code >> 32 & 0xffff, code & 0xffff)
}

fn slot(code: u64) -> String {
    if code >> 63 == 1 {
        return format!("banner {}", ratio(code));
    }
    let format = Format::ALL
        .iter()
        .find(|format| **format as u64 == code >> 48);
    let format = format.map_or("", |format| format.label());
    match (code >> 24 & 0xff_ffff, code & 0xff_ffff) {
        (0, 0) if format == Format::Banner.label() => "banner of any size".to_owned(),
        (0, 0) => format.to_owned(),
        (w, h) => format!("{format} {w}x{h}"),
    }
}

fn list(name: &str, values: impl IntoIterator<Item = impl Shown>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    format!("{name} [{}]", values.join(", "))
}

fn flag(name: &str, flag: Option<openrtb::Flag>) -> String {
    let set = flag.is_some_and(openrtb::Flag::is_set);
    format!("{name} {}", u8::from(set))
}

impl Facts<'_, '_, '_> {
    /// What is wanted, and what there is.
    pub(super) fn of(&self, reason: NoBid, item: &Item) -> (String, String) {
        let request = self.request;
        match reason {
            NoBid::InsufficientTime => (
                format!("tmax above {} ms", self.snapshot.exchange.tmax_margin_ms),
                format!("tmax {}", request.tmax.unwrap_or_default()),
            ),
            NoBid::Throttled => {
                let skipped = self.snapshot.exchange.throttle.skipped_ppm();
                let percent = f64::from(skipped) / 1e4;
                (
                    "answers that the exchange waits for".to_owned(),
                    format!("{percent:.1} % of its requests are passed over"),
                )
            }
            NoBid::SeatNotAllowed => (
                format!("seat {}", respond::seat(self.snapshot, item)),
                format!(
                    "{}, {}",
                    list("wseat", request.wseat.iter()),
                    list("bseat", request.bseat.iter())
                ),
            ),
            NoBid::Multiplier => (
                "a multiplier that impressions can be counted by".to_owned(),
                format!(
                    "qty.multiplier {:?}",
                    self.imp.qty.and_then(|qty| qty.multiplier)
                ),
            ),
            NoBid::PrivateAuction => ("the open auction".to_owned(), self.deals()),
            NoBid::NoDeal => (list("deals", self.own_deals(item)), self.deals()),
            NoBid::NothingActive => ("a line item that may bid now".to_owned(), String::new()),
            NoBid::NotTargeted => ("a guaranteed place in the pod".to_owned(), self.formats()),
            NoBid::CurrencyNotAllowed => self.currency(item),
            NoBid::Competing => (
                "no other bid that excludes it".to_owned(),
                "another bid of this response: of itself, of a competitor, or in its pod"
                    .to_owned(),
            ),
            NoBid::BelowFloor => self.floor(item),
            NoBid::BelowMinimum => {
                let least = item.priced.as_ref().map_or(Cpm(0), |priced| priced.least);
                let after = match &item.fees {
                    Some(_) => "modifiers, fees, data and pacing",
                    None => "modifiers and pacing",
                };
                let least = least.max(Cpm(1));
                (format!("at least {least} after {after}"), "less".to_owned())
            }
            NoBid::NoCreative
            | NoBid::Blocked
            | NoBid::LanguageNotAllowed
            | NoBid::NotApproved
            | NoBid::NotSecure => self.creative(reason, item),
            NoBid::Paced
            | NoBid::UnknownUser
            | NoBid::FrequencyCapped
            | NoBid::GoalReached
            | NoBid::NoBudget
            | NoBid::ReservationsFull
            | NoBid::LedgerStopped => self.held(reason, item),
        }
    }

    fn each(&self, item: &Item, name: &str, of: &dyn Fn(&Display) -> String) -> String {
        let creatives = &self.snapshot.catalog.creatives;
        let own = item.creatives.iter().take(MOST);
        list(name, own.map(|at| of(&creatives[*at as usize])))
    }

    /// The creatives of a line item with their formats and sizes.
    pub(super) fn creatives(&self, item: &Item) -> String {
        self.each(item, "creatives", &|one| match (one.w, one.h) {
            (0, 0) => format!("{} {} of {} s", one.id, one.format.label(), one.seconds),
            (w, h) => format!("{} {} {w}x{h}", one.id, one.format.label()),
        })
    }

    fn creative(&self, reason: NoBid, item: &Item) -> (String, String) {
        let request = self.request;
        let each = |name: &str, of: &dyn Fn(&Display) -> String| self.each(item, name, of);
        match reason {
            NoBid::Blocked => (
                each("creatives", &|one| {
                    format!(
                        "{}: {}, {}, {}",
                        one.id,
                        list("adomain", &one.domains),
                        list("cat", &one.cat),
                        list("attr", &one.attr)
                    )
                }),
                self.blocked(),
            ),
            NoBid::LanguageNotAllowed => (
                each("language", &|one| one.language.to_string()),
                format!(
                    "{}, {}",
                    list("wlang", request.wlang.iter()),
                    list("wlangb", request.wlangb.iter())
                ),
            ),
            NoBid::NotApproved => (
                each("creatives", &|one| one.id.to_string()),
                format!("not approved by {} yet", self.snapshot.exchange.id),
            ),
            NoBid::NotSecure => (
                each("secure", &|one| {
                    format!("{} {}", one.id, u8::from(one.secure))
                }),
                flag("secure", self.imp.secure),
            ),
            _ => (self.creatives(item), self.formats()),
        }
    }

    fn held(&self, reason: NoBid, item: &Item) -> (String, String) {
        match reason {
            NoBid::Paced => {
                let control = self.snapshot.plan.controls[item.campaign as usize];
                let threshold = match item.strategy {
                    Strategy::Value => control.valued,
                    Strategy::FixedCpm => control.fixed,
                };
                let percent = f64::from(threshold) / f64::from(u32::MAX) * 100.0;
                (
                    format!("a lot among {percent:.1} % of requests"),
                    "this request drew another".to_owned(),
                )
            }
            NoBid::UnknownUser => (
                "an id of the user, to count impressions".to_owned(),
                "none that may be looked at".to_owned(),
            ),
            NoBid::FrequencyCapped => {
                let cap = |cap: &Cap| format!("fewer than {} in {} s", cap.most, cap.window_s);
                let seen = |cap: &Cap| {
                    let holder = self.holder?;
                    let caps = self.runtime.caps;
                    caps.seen(holder.people, cap, holder.now_s)
                };
                let shown = |cap: &Cap| match seen(cap) {
                    Some(shown) => format!("{shown} in {} s", cap.window_s),
                    None => format!("unknown in {} s", cap.window_s),
                };
                let own = || self.rules(item);
                (
                    list("impressions", own().map(cap)),
                    list("shown, beside bids that are open", own().map(shown)),
                )
            }
            NoBid::GoalReached => (
                "an impression left of the goal".to_owned(),
                "none that no open bid holds".to_owned(),
            ),
            NoBid::NoBudget => {
                let book = self.runtime.book;
                let left = item.budget.money().iter().map(|slot| book.available(*slot));
                let left = Micros(left.min().unwrap_or_default());
                (
                    format!("up to {} on every budget", item.most()),
                    format!("{left} left on this node"),
                )
            }
            NoBid::ReservationsFull => ("room for an open bid".to_owned(), "none".to_owned()),
            _ => ("books that can be written".to_owned(), "stopped".to_owned()),
        }
    }

    /// Every rule of frequency that a bid of a line item may meet.
    fn rules<'r>(&'r self, item: &'r Item) -> impl Iterator<Item = &'r Cap> {
        let creatives = item.creatives.iter().take(MOST);
        let shown = creatives.map(|at| &self.snapshot.catalog.creatives[*at as usize]);
        item.frequency
            .iter()
            .chain(shown.flat_map(|one| &one.frequency))
    }

    fn currency(&self, item: &Item) -> (String, String) {
        let own = self.snapshot.catalog.currencies[item.currency as usize];
        let cur = match self.request.cur.items() {
            [] => list("cur", [self.snapshot.exchange.currency.code()]),
            cur => list("cur", cur),
        };
        let floor = self.imp.bidfloorcur.unwrap_or("USD");
        let seen = format!("{cur}, bidfloorcur {floor}, and one currency in a response");
        (format!("{} or a rate for it", own.code()), seen)
    }

    fn floor(&self, item: &Item) -> (String, String) {
        let own = self.snapshot.catalog.currencies[item.currency as usize];
        let mut seen = vec![priced("bidfloor", self.imp.bidfloor, self.imp.bidfloorcur)];
        let names = self.own_deals(item);
        let pmp = self.imp.pmp.into_iter().flat_map(|pmp| pmp.deals.items());
        for deal in pmp.filter(|deal| deal.id.is_some_and(|id| names.contains(&id))) {
            let name = format!("deal {}", deal.id.unwrap_or_default());
            seen.push(priced(&name, deal.bidfloor, deal.bidfloorcur));
        }
        let video = self.imp.video.and_then(|video| video.mincpmpersec);
        let audio = self.imp.audio.and_then(|audio| audio.mincpmpersec);
        let timed = video.or(audio);
        seen.extend(timed.map(|per_second| format!("mincpmpersec {per_second}")));
        let wanted = format!("a floor of at most {} {}", item.max_cpm, own.code());
        (wanted, seen.join(", "))
    }

    fn own_deals(&self, item: &Item) -> Vec<&str> {
        let known = self.snapshot.catalog.deals.iter();
        let own = known.filter(|(_, number)| item.deals.contains(number));
        let mut names: Vec<&str> = own.map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names
    }

    fn deals(&self) -> String {
        let Some(pmp) = self.imp.pmp else {
            return list("deals", [""; 0]);
        };
        let shown = |deal: &Deal<'_>| {
            let id = deal.id.unwrap_or_default();
            match (deal.wseat.is_empty(), deal.wadomain.is_empty()) {
                (true, true) => id.to_owned(),
                (_, true) => format!("{id} for {}", list("seats", deal.wseat.iter())),
                (_, false) => format!(
                    "{id} for {}, {}",
                    list("seats", deal.wseat.iter()),
                    list("wadomain", deal.wadomain.iter())
                ),
            }
        };
        format!(
            "{}, {}",
            flag("private_auction", pmp.private_auction),
            list("deals", pmp.deals.iter().map(shown))
        )
    }

    fn blocked(&self) -> String {
        let (request, imp) = (self.request, self.imp);
        let battr = imp.banner.map(|one| one.battr).into_iter();
        let battr = battr.chain(imp.video.map(|one| one.battr));
        let battr = battr.chain(imp.audio.map(|one| one.battr));
        let battr = battr.chain(imp.native.map(|one| one.battr));
        let battr: Vec<i64> = battr.flat_map(|list| list.items().to_vec()).collect();
        [
            list("badv", request.badv.iter()),
            list("bcat", request.bcat.iter()),
            list("acat", request.acat.iter()),
            list("bapp", request.bapp.iter()),
            list("battr", battr),
        ]
        .join(", ")
    }

    fn formats(&self) -> String {
        let imp = self.imp;
        let mut told = Vec::new();
        if let Some(banner) = imp.banner {
            let sizes = crate::dimension::media::sizes(banner);
            told.push(list("banner", sizes.map(|(w, h)| format!("{w}x{h}"))));
        }
        let player = |name: &str, least: Option<i64>, most: Option<i64>| match (least, most) {
            (None, None) => name.to_owned(),
            (least, most) => {
                let most = most.map(|most| most.to_string()).unwrap_or_default();
                format!("{name} of {} to {most} s", least.unwrap_or_default())
            }
        };
        told.extend(
            imp.video
                .map(|one| player("video", one.minduration, one.maxduration)),
        );
        told.extend(
            imp.audio
                .map(|one| player("audio", one.minduration, one.maxduration)),
        );
        told.extend(imp.native.map(|_| "native".to_owned()));
        told.join(", ")
    }
}

fn priced(name: &str, floor: Option<f64>, currency: Option<&str>) -> String {
    format!(
        "{name} {} {}",
        floor.unwrap_or_default(),
        currency.unwrap_or("USD")
    )
}
