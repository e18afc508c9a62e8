//! Advertisers, campaigns, line items and creatives into the bidder's input.

use super::fees;
use super::shown::{kind, revision_id, shown};
use super::{Compiled, Crediting, Seller, World, civil, zone};
use crate::fault::Fault;
use crate::resource::campaign::Pacing;
use crate::resource::frequency::{By, Frequency, WithoutId};
use crate::resource::line_item::{
    Audience, Bid, Count, Hours, Missing, Modifier, PodPosition, Rotation, Rules, Strategy,
    Targeting, Term,
};
use crate::resource::{Advertiser, Campaign, Creative, Kind, LineItem, Resource, Status};
use crate::serving::{Chain, Reason};
use bidder::catalog as bid;
use bidder::frequency::{Cap, Level, Scope, Subject};
use jiff::Timestamp;
use ledger::store::Budget;
use ledger::{
    BudgetKey, BudgetPath, BudgetSlot, Cpm, Currency, Day, Draws, Micros, Multiplier, Unit,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The code of ISO 4217 for what is in no currency.
const NO_CURRENCY: Currency = Currency(*b"XXX");

pub(super) fn compile(
    world: &World<'_>,
    now: Timestamp,
    slot: &mut dyn FnMut(&Budget) -> Option<BudgetSlot>,
    compiled: &mut Compiled,
    faults: &mut Vec<Fault>,
) {
    let mut wanted: HashSet<(Kind, &str)> = HashSet::new();
    let mut named = BTreeSet::new();
    let mut slots = Slots {
        slot,
        known: HashMap::new(),
    };
    for (id, resource) in world.iter() {
        let Resource::LineItem(line_item) = resource else {
            continue;
        };
        let campaign = world.campaign(&line_item.campaign.0);
        let advertiser = campaign.and_then(|campaign| world.advertiser(&campaign.advertiser.0));
        let shown = line_item.creatives.iter().map(|id| id.0.as_str());
        let creatives: Vec<(&str, &Creative)> = shown
            .filter_map(|id| Some((id, world.active_creative(id)?)))
            .collect();
        let chain = Chain {
            id,
            line_item,
            campaign,
            advertiser,
            creatives: creatives.iter().map(|(_, creative)| *creative).collect(),
        };
        let mut reasons = chain.reasons(now);
        let bought = targeting(&line_item.targeting);
        let pricing = pricing(&line_item.bid);
        reasons.extend(room(&bought, &mut named));
        for modifier in &pricing.modifiers {
            reasons.extend(room(&modifier.when, &mut named));
        }
        let fees = advertiser.map(|payer| fees::of(world, &bought.audience, payer));
        let fees = fees.transpose().unwrap_or_else(|reason| {
            reasons.push(reason);
            None
        });
        let waits = reasons
            .iter()
            .all(|reason| matches!(reason, Reason::NotStarted(_)));
        if !reasons.is_empty() {
            compiled.not_serving.push((id.to_owned(), reasons));
        }
        let (true, Some(campaign), Some(advertiser), Some(fees)) =
            (waits, campaign, advertiser, fees)
        else {
            continue;
        };
        let (draws, day, budgets) = budgets(id, line_item, campaign, advertiser, now);
        let goals = goals(id, line_item, (draws, day));
        match slots.path((&budgets, &goals), compiled) {
            Some(path) => {
                let own = frequency((id, line_item), campaign, advertiser);
                let item = self::bought(
                    id,
                    line_item,
                    (bought, own, pricing, fees),
                    &creatives,
                    path,
                    draws,
                );
                compiled.bidder.line_items.push(item);
            }
            None => faults.push(Fault::new(
                format!("/line_items/{id}"),
                "the budget book is full",
            )),
        }
        wanted.insert((Kind::Campaign, &line_item.campaign.0));
        wanted.insert((Kind::Advertiser, &campaign.advertiser.0));
        wanted.extend(creatives.iter().map(|(id, _)| (Kind::Creative, *id)));
        compiled.next(campaign, advertiser, now);
    }
    for (id, resource) in world.iter() {
        if let Resource::Advertiser(advertiser) = resource {
            let crediting = Crediting::of(advertiser);
            compiled.crediting.insert(id.to_owned(), crediting);
        }
        add(id, resource, &wanted, compiled);
    }
    for (id, resource) in world.iter() {
        if let Resource::Creative(creative) = resource
            && wanted.contains(&(Kind::Creative, id))
        {
            let advertiser = world.advertiser(&creative.advertiser.0);
            let all = shown(id, creative, advertiser, &compiled.sellers);
            compiled.bidder.creatives.extend(all);
        }
    }
}

impl Compiled {
    fn next(&mut self, campaign: &Campaign, advertiser: &Advertiser, now: Timestamp) {
        if let Some(end) = campaign.end {
            self.changes_at(end.0);
        }
        if let Some(local) = civil(&zone(advertiser), now) {
            self.changes_at(local.day_end);
        }
    }
}

/// Adds what some line item needs, and every exchange.
fn add(id: &str, resource: &Resource, wanted: &HashSet<(Kind, &str)>, compiled: &mut Compiled) {
    match resource {
        Resource::Advertiser(advertiser) if wanted.contains(&(Kind::Advertiser, id)) => {
            compiled.zones.push(zone(advertiser));
            compiled.bidder.advertisers.push(bid::Advertiser {
                id: id.to_owned(),
                name: advertiser.name.0.clone(),
                currency: advertiser.currency.0,
                domain: advertiser.domain.0.clone(),
                competitive: advertiser
                    .competitive_labels
                    .iter()
                    .map(|label| label.0.clone())
                    .collect(),
            });
        }
        Resource::Campaign(campaign) if wanted.contains(&(Kind::Campaign, id)) => {
            if let (Some(daily), Some(_)) = (campaign.budget.daily, &campaign.budget.flex) {
                compiled.flexible.insert(id.to_owned(), daily.0);
            }
            compiled.bidder.campaigns.push(bid::Campaign {
                id: id.to_owned(),
                advertiser: campaign.advertiser.0.clone(),
                start_ms: campaign.start.map_or(0, |start| start.0.as_millisecond()),
                end_ms: campaign.end.map_or(i64::MAX, |end| end.0.as_millisecond()),
                pacing: match campaign.pacing {
                    Pacing::Even => bid::Pacing::Even,
                    Pacing::FrontLoaded => bid::Pacing::FrontLoaded,
                    Pacing::Asap => bid::Pacing::Asap,
                },
            });
        }
        Resource::Exchange(seller) if seller.status == Status::Active => {
            compiled.sellers.push(Seller {
                id: id.to_owned(),
                settings: (**seller).clone(),
            });
        }
        Resource::Advertiser(_)
        | Resource::Campaign(_)
        | Resource::Creative(_)
        | Resource::Exchange(_)
        | Resource::LineItem(_)
        | Resource::Publisher(_)
        | Resource::Placement(_)
        | Resource::Deal(_)
        | Resource::Review(_)
        | Resource::Segment(_)
        | Resource::Floors(_)
        | Resource::Partner(_)
        | Resource::Key(_) => {}
    }
}

/// The budgets of a line item, narrowest first, each with its limit: a bid draws on all of them.
fn budgets(
    id: &str,
    line_item: &LineItem,
    campaign: &Campaign,
    advertiser: &Advertiser,
    now: Timestamp,
) -> (Draws, Day, Vec<Budget>) {
    let today = civil(&zone(advertiser), now).map_or(0, |today| today.day_number);
    let day = Day(u32::try_from(today).unwrap_or_default());
    let own = line_item.budget.as_ref().map(|own| own.total.0);
    let (daily, monthly) = match (campaign.budget.daily, &campaign.budget.flex) {
        (Some(daily), Some(flex)) => {
            let (most, month) = flex.limits(daily.0);
            (Some(most), Some(month))
        }
        (daily, _) => (daily.map(|daily| daily.0), None),
    };
    let total = campaign.budget.total.0;
    let all = advertiser.budget.as_ref().map(|all| all.total.0);
    let draws = Draws {
        line_item: own.is_some(),
        day: daily.is_some(),
        month: monthly.is_some(),
        campaign: true,
        advertiser: all.is_some(),
        ..goals_of(line_item)
    };
    let campaign = (&*line_item.campaign.0, &*campaign.advertiser.0);
    let keys = draws.keys(id, (campaign.0, day), campaign.1);
    let limits = [own, daily, monthly, Some(total), all]
        .into_iter()
        .flatten();
    let budgets = keys.zip(limits).map(|(key, limit)| Budget {
        key: key.to_string(),
        currency: advertiser.currency.0,
        limit,
    });
    (draws, day, budgets.collect())
}

/// Which goals a line item draws on. One in all is counted by days too, which is how it is known
/// what today has had of it.
fn goals_of(line_item: &LineItem) -> Draws {
    let goal = line_item.goal.as_ref();
    let total = goal.is_some_and(|goal| goal.impressions.is_some());
    Draws {
        impressions: total,
        impressions_day: total || goal.is_some_and(|goal| goal.daily_impressions.is_some()),
        clicks: goal.is_some_and(|goal| goal.clicks.is_some()),
        ..Draws::default()
    }
}

/// The goals of a line item, each with its limit in millionths: of impressions, which its bids
/// hold, and last the one of clicks, which they do not.
fn goals(id: &str, line_item: &LineItem, (draws, day): (Draws, Day)) -> Vec<Budget> {
    let Some(goal) = &line_item.goal else {
        return Vec::new();
    };
    let (total, daily) = (goal.impressions, goal.daily_impressions);
    let limits = [
        total,
        daily.or(total).filter(|_| draws.impressions_day),
        goal.clicks,
    ];
    let keys = draws.goals(id, day).chain(draws.click_goal(id));
    let limited = keys.zip(limits.into_iter().flatten());
    let budget = |(key, most): (BudgetKey<'_>, Count)| Budget {
        key: key.to_string(),
        currency: NO_CURRENCY,
        limit: Micros(i64::from(most.0) * Multiplier::ONE.millionths()),
    };
    limited.map(budget).collect()
}

struct Slots<'s> {
    slot: &'s mut dyn FnMut(&Budget) -> Option<BudgetSlot>,
    known: HashMap<String, BudgetSlot>,
}

impl Slots<'_> {
    fn path(
        &mut self,
        (budgets, goals): (&[Budget], &[Budget]),
        compiled: &mut Compiled,
    ) -> Option<BudgetPath> {
        let money = self.of(budgets, compiled)?;
        let all = self.of(goals, compiled)?;
        let held = goals.iter().zip(all);
        let held = held.filter(|(goal, _)| Unit::of(&goal.key) == Unit::Impressions);
        let held: Vec<BudgetSlot> = held.map(|(_, slot)| slot).collect();
        Some(BudgetPath::with_goals(&money, &held))
    }

    fn of(&mut self, budgets: &[Budget], compiled: &mut Compiled) -> Option<Vec<BudgetSlot>> {
        let mut slots = Vec::with_capacity(budgets.len());
        for budget in budgets {
            if let Some(slot) = self.known.get(&budget.key) {
                slots.push(*slot);
                continue;
            }
            let slot = (self.slot)(budget)?;
            self.known.insert(budget.key.clone(), slot);
            compiled.budgets.push(budget.clone());
            slots.push(slot);
        }
        Some(slots)
    }
}

fn bought(
    id: &str,
    line_item: &LineItem,
    (targeting, frequency, pricing, fees): (bid::Targeting, Vec<Cap>, bid::Pricing, bid::LineFees),
    creatives: &[(&str, &Creative)],
    budget: BudgetPath,
    draws: Draws,
) -> bid::LineItem {
    let (creatives, weights) = turns(line_item, creatives);
    let rotation = match line_item.rotation {
        Rotation::Sequential => bid::Rotation::Sequential,
        Rotation::Even if weights.iter().all(|weight| *weight == 1) => bid::Rotation::Even,
        Rotation::Even | Rotation::Weighted => bid::Rotation::Weighted(weights),
    };
    bid::LineItem {
        id: id.to_owned(),
        campaign: line_item.campaign.0.clone(),
        active: true,
        strategy: match line_item.bid.strategy {
            Strategy::FixedCpm => bid::Strategy::FixedCpm,
            Strategy::Value => bid::Strategy::Value,
        },
        max_cpm: line_item.bid.max_cpm.0,
        pricing,
        fees,
        targeting,
        frequency,
        creatives,
        delivery: bid::Delivery {
            rotation,
            deals: line_item.deals.iter().map(|deal| deal.0.clone()).collect(),
            pod_position: match line_item.pod.as_ref().map(|pod| pod.position) {
                None | Some(PodPosition::Any) => bid::PodPosition::Any,
                Some(PodPosition::First) => bid::PodPosition::First,
                Some(PodPosition::Last) => bid::PodPosition::Last,
            },
        },
        budget,
        draws,
    }
}

/// The frequency rules that hold for a line item: its own and those above it.
fn frequency(
    (id, line_item): (&str, &LineItem),
    campaign: &Campaign,
    advertiser: &Advertiser,
) -> Vec<Cap> {
    let payer = &*campaign.advertiser.0;
    let of_payer = caps(Level::Advertiser, payer, &advertiser.frequency);
    let of_campaign = caps(Level::Campaign, &line_item.campaign.0, &campaign.frequency);
    let own = caps(Level::LineItem, id, &line_item.frequency);
    of_payer.chain(of_campaign).chain(own).collect()
}

/// The frequency rules of one thing.
pub(super) fn caps(level: Level, id: &str, rules: &[Frequency]) -> impl Iterator<Item = Cap> {
    let scope = Scope::of(level, id);
    rules.iter().map(move |rule| Cap {
        scope,
        most: rule.max.0 as u16,
        window_s: rule.seconds(),
        by: match rule.by {
            By::User => Subject::User,
            By::Household => Subject::Household,
        },
        without_id: match rule.without_id {
            WithoutId::Skip => bidder::frequency::WithoutId::Skip,
            WithoutId::Serve => bidder::frequency::WithoutId::Serve,
        },
    })
}

/// The creatives in their order, each before the earlier contents that stand in for it, and the
/// weights by which they take turns: what stands in has no turn of its own.
fn turns(line_item: &LineItem, creatives: &[(&str, &Creative)]) -> (Vec<String>, Vec<u32>) {
    let (mut ids, mut weights) = (Vec::new(), Vec::new());
    for (id, creative) in creatives {
        let place = line_item.creatives.iter().position(|known| known.0 == *id);
        let own = place.and_then(|place| line_item.weights.get(place));
        ids.push((*id).to_owned());
        weights.push(own.map_or(1, |weight| weight.0));
        for kept in &creative.earlier {
            ids.push(revision_id(id, kept.0.number()));
            weights.push(0);
        }
    }
    // With every weighted creative paused, the others take equal turns.
    if weights.iter().all(|weight| *weight == 0) {
        weights.fill(1);
    }
    (ids, weights)
}

/// Takes the subjects that a line item names itself, or says which one there is no room for.
fn room(targeting: &bid::Targeting, named: &mut BTreeSet<bid::Subject>) -> Option<Reason> {
    let own = targeting.rules.keys().filter(|subject| subject.is_named());
    let new: Vec<&bid::Subject> = own.filter(|subject| !named.contains(subject)).collect();
    if named.len() + new.len() > bid::MAX_NAMED {
        return new
            .first()
            .map(|subject| Reason::NoRoom(subject.to_string()));
    }
    named.extend(new.into_iter().cloned());
    None
}

fn targeting(targeting: &Targeting) -> bid::Targeting {
    let formats = rule(targeting.formats.as_ref(), |format| kind(*format));
    let sizes = rule(targeting.sizes.as_ref(), |size| (size.w, size.h));
    let audience = targeting.audience.as_ref();
    bid::Targeting {
        rules: targeting.rules(),
        formats,
        sizes,
        audience: audience.map(self::audience).unwrap_or_default(),
        hours: hours(&targeting.hours),
    }
}

fn pricing(own: &Bid) -> bid::Pricing {
    let modifier = |one: &Modifier| bid::Modifier {
        when: targeting(&one.when),
        factor: bid::Factor(one.factor.0),
    };
    let (lowest, highest) = own.limits();
    bid::Pricing {
        base_cpm: own.base(),
        min_cpm: own.min_cpm.map_or(Cpm(0), |least| least.0),
        modifiers: own.modifiers.iter().map(modifier).collect(),
        lowest,
        highest,
    }
}

fn rule<T: Term, V>(rules: Option<&Rules<T>>, value: impl Fn(&T) -> V) -> bid::Rule<V> {
    rules.map_or_else(bid::Rule::default, |rules| bid::Rule {
        include: rules.include.iter().map(&value).collect(),
        exclude: rules.exclude.iter().map(&value).collect(),
        missing: rules.missing.map(Missing::policy),
    })
}

fn audience(audience: &Audience) -> bid::Audience {
    let names = |list: &Vec<crate::model::Id>| list.iter().map(|id| id.0.clone()).collect();
    bid::Audience {
        include: audience.include.iter().map(names).collect(),
        exclude: names(&audience.exclude),
        missing: audience.missing.map(Missing::policy),
    }
}

fn hours(hours: &[Hours]) -> bid::Hours {
    if hours.is_empty() {
        return bid::Hours::ALL;
    }
    let open = hours.iter().flat_map(Hours::of_week);
    open.fold(bid::Hours::NONE, bid::Hours::with)
}
