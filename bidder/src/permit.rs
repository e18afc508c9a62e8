//! Permission: what the exchange's rules leave of the candidates.
//!
//! Blocked advertisers, categories and applications become one set of blocked creatives, once
//! for each request, so that a candidate costs one bit test however long the lists are. Floors
//! are converted once for each currency that we pay in. Categories are compared within one
//! taxonomy; a creative with categories of another one cannot show that it is allowed, and is
//! blocked.

use crate::NoBid;
use crate::bits::{Set, has, put, words_for};
use crate::catalog::{Advertiser, Catalog, Creative, Display, Format, Item};
use crate::exchange::{Exchange, SeatUse};
use crate::intake::{sizes, suffixes};
use foldhash::fast::FixedState;
use ledger::{Cpm, Currency, RateTable};
use openrtb::list::CategoryTaxonomy;
use openrtb::request::{Audio, Banner, DurFloors, Imp, Video};
use openrtb::{BidRequest, Flag, List};
use std::collections::HashMap;

/// The taxonomy of categories where a request names none (section 3.2.1).
const DEFAULT_TAXONOMY: i64 = 1;
/// The currency of floors where an imp names none (section 3.2.4).
const DEFAULT_CURRENCY: Currency = Currency(*b"USD");

type Creatives = HashMap<Box<str>, Set, FixedState>;

/// Which creatives a blocked value concerns.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// By the domains of their advertisers, and every domain above.
    domains: Creatives,
    /// By category and its parent, one map for each taxonomy in use.
    categories: Vec<(i64, Creatives)>,
    /// Those with any category, by taxonomy.
    categorised: Vec<(i64, Set)>,
    bundles: Creatives,
    count: usize,
}

#[derive(Default)]
struct Draft(HashMap<String, Vec<u32>>);

impl Draft {
    fn add(&mut self, value: &str, creative: u32) {
        self.0.entry(value.to_owned()).or_default().push(creative);
    }

    fn finish(self, count: usize) -> Creatives {
        let set = |(value, list)| (String::into_boxed_str(value), Set::new(list, count));
        self.0.into_iter().map(set).collect()
    }
}

impl Blocks {
    pub(crate) fn new(
        creatives: &[Creative],
        advertisers: &[Advertiser],
        advertiser_at: &HashMap<String, u32>,
    ) -> Self {
        let (mut domains, mut bundles) = (Draft::default(), Draft::default());
        let mut categories: HashMap<i64, Draft> = HashMap::new();
        let mut categorised: HashMap<i64, Vec<u32>> = HashMap::new();
        for (creative, at) in creatives.iter().zip(0..) {
            let own = &advertisers[advertiser_at[&creative.advertiser] as usize].domain;
            for domain in creative.adomain.iter().chain([own]) {
                let domain = domain.to_ascii_lowercase();
                suffixes(&domain).for_each(|domain| domains.add(domain, at));
            }
            if let Some(bundle) = &creative.bundle {
                bundles.add(bundle, at);
            }
            for cat in &creative.cat {
                let draft = categories.entry(creative.cattax).or_default();
                draft.add(cat, at);
                if let Some(parent) = parent(cat) {
                    draft.add(parent, at);
                }
                categorised.entry(creative.cattax).or_default().push(at);
            }
        }
        let count = creatives.len();
        let finish = |(taxonomy, draft): (i64, Draft)| (taxonomy, draft.finish(count));
        let set = |(taxonomy, list)| (taxonomy, Set::new(list, count));
        Self {
            domains: domains.finish(count),
            bundles: bundles.finish(count),
            categories: categories.into_iter().map(finish).collect(),
            categorised: categorised.into_iter().map(set).collect(),
            count,
        }
    }

    fn apply(&self, request: &BidRequest<'_>, words: &mut Vec<u64>) {
        words.clear();
        words.resize(words_for(self.count), 0);
        let mut block = |creatives: &Creatives, value: &str| {
            if let Some(set) = creatives.get(value) {
                set.add_to(words);
            }
        };
        for domain in request.badv {
            if domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
                block(&self.domains, &domain.to_ascii_lowercase());
            } else {
                block(&self.domains, domain);
            }
        }
        request
            .bapp
            .iter()
            .for_each(|bundle| block(&self.bundles, bundle));
        if request.bcat.is_empty() {
            return;
        }
        let taxonomy = taxonomy(request);
        for (_, creatives) in self.categories.iter().filter(|(own, _)| *own == taxonomy) {
            request.bcat.iter().for_each(|cat| block(creatives, cat));
        }
        for (_, set) in self.categorised.iter().filter(|(own, _)| *own != taxonomy) {
            set.add_to(words);
        }
    }
}

fn taxonomy(request: &BidRequest<'_>) -> i64 {
    request
        .cattax
        .map_or(DEFAULT_TAXONOMY, CategoryTaxonomy::code)
}

/// The category above, in taxonomies that write it into the id: `IAB7` of `IAB7-39`.
fn parent(cat: &str) -> Option<&str> {
    cat.rsplit_once('-').map(|(parent, _)| parent)
}

/// The exchange's rules for one request, reused from request to request.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    blocked: Vec<u64>,
    /// Seats that may buy; `None` where all may.
    seats: Option<Vec<u64>>,
    kept_seats: Vec<u64>,
    /// For each currency that we pay in, whether the request allows it.
    allowed: Vec<bool>,
    /// The floor of the imp in each currency; `None` where no rate is known.
    floors: Vec<Option<Cpm>>,
}

impl Rules {
    /// Reads the rules of a request.
    ///
    /// # Errors
    /// No seat or no currency of ours may buy.
    pub(crate) fn read(
        &mut self,
        request: &BidRequest<'_>,
        catalog: &Catalog,
        exchange: &Exchange,
    ) -> Result<(), NoBid> {
        self.read_seats(request, catalog, exchange)?;
        catalog.blocks.apply(request, &mut self.blocked);
        self.allowed.clear();
        let allows = |own: &Currency| match request.cur.items() {
            [] => *own == exchange.currency,
            cur => cur.contains(&own.code()),
        };
        self.allowed.extend(catalog.currencies.iter().map(allows));
        if self.allowed.contains(&true) {
            Ok(())
        } else {
            Err(NoBid::CurrencyNotAllowed)
        }
    }

    fn read_seats(
        &mut self,
        request: &BidRequest<'_>,
        catalog: &Catalog,
        exchange: &Exchange,
    ) -> Result<(), NoBid> {
        if let Some(seats) = self.seats.take() {
            self.kept_seats = seats;
        }
        let may = |seat: &str| {
            (request.wseat.is_empty() || request.wseat.contains(&seat))
                && !request.bseat.contains(&seat)
        };
        match &exchange.seat {
            SeatUse::Single(seat) => may(seat).then_some(()).ok_or(NoBid::SeatNotAllowed),
            SeatUse::Advertiser if request.wseat.is_empty() && request.bseat.is_empty() => Ok(()),
            SeatUse::Advertiser => {
                let mut seats = std::mem::take(&mut self.kept_seats);
                seats.clear();
                seats.resize(words_for(catalog.advertisers.len()), 0);
                for (advertiser, at) in catalog.advertisers.iter().zip(0..) {
                    if may(&advertiser.id) {
                        put(&mut seats, at);
                    }
                }
                let none = seats.iter().all(|word| *word == 0);
                self.seats = Some(seats);
                if none {
                    Err(NoBid::SeatNotAllowed)
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Reads the rules of one imp.
    ///
    /// # Errors
    /// The imp is for the buyers of a deal only.
    pub(crate) fn read_imp(
        &mut self,
        imp: &Imp<'_>,
        catalog: &Catalog,
        rates: Option<&RateTable>,
    ) -> Result<(), NoBid> {
        let private = imp.pmp.and_then(|pmp| pmp.private_auction);
        if private.is_some_and(Flag::is_set) {
            return Err(NoBid::PrivateAuction);
        }
        self.floors.clear();
        let floors = catalog
            .currencies
            .iter()
            .map(|own| converted(imp, imp.bidfloor, *own, rates));
        self.floors.extend(floors);
        Ok(())
    }

    /// The currencies that the request allows, by their places in the catalog.
    pub(crate) fn currencies(&self) -> impl Iterator<Item = u32> {
        let allowed = self
            .allowed
            .iter()
            .zip(0..)
            .filter(|(allowed, _)| **allowed);
        allowed.map(|(_, currency)| currency)
    }

    /// The floor of the imp for a line item.
    ///
    /// # Errors
    /// The seat of the line item is not allowed, no rate is known, or the floor is out of reach.
    pub(crate) fn line_item(&self, item: &Item) -> Result<Cpm, NoBid> {
        if self
            .seats
            .as_ref()
            .is_some_and(|seats| !has(seats, item.advertiser))
        {
            return Err(NoBid::SeatNotAllowed);
        }
        let floor = self.floors[item.currency as usize].ok_or(NoBid::CurrencyNotAllowed)?;
        if item.max_cpm < floor {
            Err(NoBid::BelowFloor)
        } else {
            Ok(floor)
        }
    }

    /// Whether a creative may be shown in an imp.
    ///
    /// # Errors
    /// It does not fit, is blocked, or is not secure.
    pub(crate) fn creative(
        &self,
        at: u32,
        creative: &Display,
        request: &BidRequest<'_>,
        imp: &Imp<'_>,
    ) -> Result<(), NoBid> {
        let battr = fits(imp, creative).ok_or(NoBid::NoCreative)?;
        let attr = |blocked: &i64| match u32::try_from(*blocked) {
            Ok(bit @ 0..64) => creative.attributes >> bit & 1 == 1,
            _ => creative.attr.contains(blocked),
        };
        if has(&self.blocked, at) || battr.iter().any(attr) || !category_allowed(creative, request)
        {
            return Err(NoBid::Blocked);
        }
        if imp.secure.is_some_and(Flag::is_set) && !creative.markup.secure {
            return Err(NoBid::NotSecure);
        }
        Ok(())
    }
}

/// A floor of the wire in micros of another currency, rounded up so that a bid never falls short.
fn converted(
    imp: &Imp<'_>,
    floor: Option<f64>,
    to: Currency,
    rates: Option<&RateTable>,
) -> Option<Cpm> {
    let floor = floor.unwrap_or_default();
    if floor <= 0.0 {
        return Some(Cpm(0));
    }
    // A decimal of at most six places is the nearest float's own; anything finer is rounded up.
    let micros = floor * 1e6;
    let nearest = micros.round();
    let exact = (micros - nearest).abs() < 1e-3;
    let micros = if exact { nearest } else { micros.ceil() };
    if micros >= i64::MAX as f64 {
        return None;
    }
    let micros = Cpm(micros as i64);
    let from = match imp.bidfloorcur {
        Some(code) => code.parse().ok()?,
        None => DEFAULT_CURRENCY,
    };
    if from == to {
        return Some(micros);
    }
    let floor = rates?.convert(micros, from, to)?;
    // Half to even may have rounded down by less than one.
    Some(Cpm(floor.0 + 1))
}

/// The floor for a creative's duration, where the player sets one (section 7.11).
pub(crate) fn media_floor(
    imp: &Imp<'_>,
    creative: &Display,
    to: Currency,
    rates: Option<&RateTable>,
) -> Option<Cpm> {
    let (per_second, floors): (Option<f64>, List<'_, DurFloors<'_>>) = match creative.format {
        Format::Video => imp
            .video
            .map(|video| (video.mincpmpersec, video.durfloors))?,
        Format::Audio => imp
            .audio
            .map(|audio| (audio.mincpmpersec, audio.durfloors))?,
        Format::Banner | Format::Native => return Some(Cpm(0)),
    };
    let seconds = i64::from(creative.media.duration_s);
    let range = floors.iter().find(|range| {
        range.mindur.is_none_or(|least| seconds >= least)
            && range.maxdur.is_none_or(|most| seconds <= most)
    });
    let by_range = range.and_then(|range| range.bidfloor);
    let floor = by_range.or(per_second.map(|price| price * seconds as f64));
    converted(imp, floor, to, rates)
}

/// Whether the creative fits the imp: the attributes that its place blocks if so.
pub(crate) fn fits<'a>(imp: &Imp<'a>, creative: &Display) -> Option<List<'a, i64>> {
    match creative.format {
        Format::Banner => imp
            .banner
            .filter(|one| banner(one, creative))
            .map(|one| one.battr),
        Format::Video => imp
            .video
            .filter(|one| video(one, creative))
            .map(|one| one.battr),
        Format::Audio => imp
            .audio
            .filter(|one| audio(one, creative))
            .map(|one| one.battr),
        Format::Native => imp.native.map(|one| one.battr),
    }
}

fn banner(banner: &Banner<'_>, creative: &Display) -> bool {
    let mut sizes = sizes(banner).peekable();
    let open = sizes.peek().is_none();
    open || sizes.any(|size| size == (creative.w, creative.h))
}

fn video(video: &Video<'_>, creative: &Display) -> bool {
    let bounds = (video.minduration, video.maxduration);
    player(
        &video.mimes,
        &video.protocols,
        &video.rqddurs,
        bounds,
        creative,
    )
}

fn audio(audio: &Audio<'_>, creative: &Display) -> bool {
    let bounds = (audio.minduration, audio.maxduration);
    player(
        &audio.mimes,
        &audio.protocols,
        &audio.rqddurs,
        bounds,
        creative,
    )
}

fn player(
    mimes: &[&str],
    protocols: &[i64],
    exact: &[i64],
    (least, most): (Option<i64>, Option<i64>),
    creative: &Display,
) -> bool {
    let media = &creative.media;
    let mime = media.mime.is_empty() || mimes.is_empty() || mimes.contains(&&*media.mime);
    let known = media.protocol > 0 && !protocols.is_empty();
    let protocol = !known || protocols.contains(&media.protocol);
    let seconds = i64::from(media.duration_s);
    let bounded =
        least.is_none_or(|least| seconds >= least) && most.is_none_or(|most| seconds <= most);
    let duration = if exact.is_empty() {
        bounded
    } else {
        exact.contains(&seconds)
    };
    mime && protocol && (seconds == 0 || duration)
}

/// Whether `acat`, where it is given, names every category of the creative or its parent.
fn category_allowed(creative: &Display, request: &BidRequest<'_>) -> bool {
    if request.acat.is_empty() {
        return true;
    }
    let named = |cat: &str| request.acat.contains(&cat);
    let allowed = |cat: &str| named(cat) || parent(cat).is_some_and(named);
    creative.cattax == taxonomy(request)
        && !creative.cat.is_empty()
        && creative.cat.iter().all(|cat| allowed(cat))
}
