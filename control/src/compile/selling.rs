//! Publishers, placements, floors and partners into the exchange's catalog.

use super::{Compiled, World};
use crate::fault::Fault;
use crate::model::{Category, Country, Domain, Id, Instant, Name, Tag};
use crate::resource::deal::Price;
use crate::resource::publisher::{Auction, LossPrices};
use crate::resource::review::Word;
use crate::resource::terms::Format;
use crate::resource::{Deal, Kind, Partner, Publisher, Resource, Status};
use exchange::catalog as sell;
use jiff::Timestamp;
use std::sync::Arc;

pub(super) fn compile(
    world: &World<'_>,
    now: Timestamp,
    compiled: &mut Compiled,
    faults: &mut Vec<Fault>,
) {
    for (id, resource) in world.iter() {
        match resource {
            Resource::Publisher(publisher) if publisher.status == Status::Active => {
                let mut seller = seller(id, publisher);
                if let Some(floors) = world.floors(id) {
                    let (rules, change) = floors.rules(now);
                    seller.floors = Some(rules);
                    if let Some(time) = change {
                        compiled.changes_at(time);
                    }
                }
                compiled.exchange.publishers.push(seller);
            }
            Resource::Placement(placement) if placement.status == Status::Active => {
                let owner = world.get(Kind::Publisher, &placement.publisher.0);
                if owner.is_some_and(|owner| owner.status() == Status::Active) {
                    compiled.exchange.placements.push(sell::Placement {
                        id: id.into(),
                        publisher: placement.publisher.0.as_str().into(),
                        tagid: placement.tagid.0.as_str().into(),
                        floor: placement.floor.map(|floor| floor.0),
                        stored: placement.request.as_ref().map(|imp| imp.1.clone()),
                    });
                }
            }
            Resource::Partner(partner) if partner.status == Status::Active => {
                match buyer(id, partner) {
                    Ok(partner) => compiled.exchange.partners.push(partner),
                    Err(fault) => {
                        let at = format!("/partners/{id}{}", fault.pointer);
                        faults.push(Fault::new(at, fault.detail));
                    }
                }
            }
            Resource::Review(review) if review.status == Status::Active => {
                compiled.exchange.reviews.push(sell::Review {
                    publisher: review.publisher.0.as_str().into(),
                    partner: review.partner.0.as_str().into(),
                    creative: review.creative.0.as_str().into(),
                    approved: review.state == Word::Approved,
                });
            }
            Resource::Key(key) if key.status == Status::Active => {
                let hash = key.sha256.as_ref();
                compiled.keys.extend(hash.map(|hash| hash.0.clone()));
            }
            Resource::Deal(deal) if deal.status == Status::Active => {
                compiled.exchange.deals.push(agreed(id, deal));
            }
            Resource::Publisher(_)
            | Resource::Placement(_)
            | Resource::Deal(_)
            | Resource::Review(_)
            | Resource::Partner(_)
            | Resource::Floors(_)
            | Resource::Advertiser(_)
            | Resource::Campaign(_)
            | Resource::LineItem(_)
            | Resource::Creative(_)
            | Resource::Exchange(_)
            | Resource::Segment(_)
            | Resource::Key(_) => {}
        }
    }
}

fn seller(id: &str, publisher: &Publisher) -> sell::Publisher {
    let domains = std::iter::once(&publisher.domain).chain(&publisher.domains);
    sell::Publisher {
        id: id.into(),
        name: publisher.name.0.as_str().into(),
        domains: domains.map(|domain| domain.0.as_str().into()).collect(),
        bundles: texts(&publisher.bundles, |bundle: &Tag| &bundle.0),
        currency: publisher.currency.0,
        revenue_share_ppm: publisher.revenue_share.0,
        pricing: match publisher.auction {
            Auction::FirstPrice => sell::Pricing::FirstPrice,
            Auction::SecondPrice => sell::Pricing::SecondPrice {
                increment: publisher.increment.0,
            },
        },
        floors: None,
        max_qps: publisher.max_qps.0,
        tmax_ms: publisher.tmax_ms.0,
        blocked_advertisers: texts(&publisher.blocked_advertisers, |domain: &Domain| &domain.0),
        blocked_categories: texts(&publisher.blocked_categories, |cat: &Category| &cat.0),
        requires_creative_id: publisher.requires_creative_id,
        requires_approval: publisher.requires_approval,
        max_markup: publisher.max_markup_bytes.0 as usize,
        loss_prices: match publisher.loss_prices {
            LossPrices::None => sell::LossPrices::None,
            LossPrices::MinToWin => sell::LossPrices::MinToWin,
            LossPrices::Clearing => sell::LossPrices::Clearing,
        },
        requests: sell::Requests {
            stored: publisher.request.as_ref().map(|request| request.1.clone()),
            from_servers: publisher.from_servers,
        },
    }
}

fn agreed(id: &str, deal: &Deal) -> sell::Deal {
    let seconds = |time: Instant| u32::try_from(time.0.as_second().max(0)).unwrap_or(u32::MAX);
    sell::Deal {
        id: id.into(),
        publisher: deal.publisher.0.as_str().into(),
        floor: deal.floor.0,
        floor_per_second: deal.floor_per_second.map(|floor| floor.0),
        at: match deal.price {
            Price::FirstPrice => sell::At::FirstPrice,
            Price::SecondPrice => sell::At::SecondPrice,
            Price::Fixed => sell::At::Fixed,
        },
        tier: deal.tier(),
        goal: deal.impressions.map(|whole| sell::Goal {
            impressions: whole.0.into(),
        }),
        partners: texts(&deal.partners, |partner: &Id| &partner.0),
        seats: texts(&deal.seats, |seat: &Id| &seat.0),
        advertisers: texts(&deal.advertisers, |domain: &Domain| &domain.0),
        placements: texts(&deal.placements, |placement: &Id| &placement.0),
        formats: deal.formats.iter().map(|format| kind(*format)).collect(),
        countries: texts(&deal.countries, |country: &Country| &country.0),
        segments: texts(&deal.segments, |segment: &Name| &segment.0),
        starts_s: seconds(deal.start),
        ends_s: seconds(deal.end),
    }
}

fn buyer(id: &str, partner: &Partner) -> Result<sell::Partner, Fault> {
    let countries = |exclude: bool| -> Vec<Arc<str>> {
        let lists = partner.geo.iter();
        let lists = lists.flat_map(|geo| if exclude { &geo.exclude } else { &geo.include });
        lists.map(|country| country.0.as_str().into()).collect()
    };
    Ok(sell::Partner {
        id: id.into(),
        name: partner.name.0.as_str().into(),
        route: sell::Route::Http(partner.route()?),
        openrtb: partner.openrtb.word().into(),
        max_qps: partner.max_qps.0,
        max_connections: partner.max_connections.0 as u16,
        timeout_ms: partner.timeout_ms.0,
        seats: texts(&partner.seats, |seat: &Id| &seat.0),
        formats: partner.formats.iter().map(|format| kind(*format)).collect(),
        sizes: partner.sizes.iter().map(|size| (size.w, size.h)).collect(),
        countries: countries(false),
        excluded_countries: countries(true),
        treatment: partner.treatment(),
    })
}

fn texts<T>(list: &[T], text: impl Fn(&T) -> &String) -> Vec<Arc<str>> {
    list.iter()
        .map(|value| text(value).as_str().into())
        .collect()
}

fn kind(format: Format) -> sell::Format {
    match format {
        Format::Banner => sell::Format::Banner,
        Format::Video => sell::Format::Video,
        Format::Audio => sell::Format::Audio,
        Format::Native => sell::Format::Native,
    }
}
