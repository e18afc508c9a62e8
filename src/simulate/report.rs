//! The figures of a simulation, and their forms: JSON for programs, a table for people.

use super::node::Node;
use super::score::{Hour, Purse, Scores};
use jiff::Timestamp;
use ledger::Micros;
use serde::Serialize;
use std::fmt::Write;

const HOUR_MS: i64 = 3_600_000;
/// Before which hour of the day no budget should be gone.
const EARLY: usize = 22;

/// Everything that a simulation tells.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Records of the stream.
    pub records: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Requests that the bidder could not read.
    pub malformed: u64,
    /// By line item.
    pub line_items: Vec<LineItem>,
    /// By budget that is paced, and day.
    pub budgets: Vec<BudgetDay>,
    /// Over all of them.
    pub summary: Summary,
}

/// A line item and its hours.
#[derive(Clone, Debug, Serialize)]
pub struct LineItem {
    /// Id.
    pub id: String,
    /// In all.
    pub total: Hour,
    /// By hour.
    pub hours: Vec<NamedHour>,
}

/// An hour of a line item.
#[derive(Clone, Debug, Serialize)]
pub struct NamedHour {
    /// When it begins, UTC.
    pub hour: String,
    /// What happened in it.
    #[serde(flatten)]
    pub counts: Hour,
}

/// A budget on a day of its advertiser.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetDay {
    /// Id of the campaign.
    pub campaign: String,
    /// The day.
    pub date: String,
    /// What may be spent.
    pub budget: Micros,
    /// What was charged to it.
    pub spend: Micros,
    /// Charged beyond the budget, which the platform bears.
    pub over_delivered: Micros,
    /// Spent beyond the budget.
    pub overspend: Micros,
    /// Part of the budget that was overspent.
    pub over: f64,
    /// Not spent of what could have been.
    pub underspend: Micros,
    /// Part of what could have been spent.
    pub under: f64,
    /// What the impressions are worth, in percent of the best in hindsight.
    pub value_percent: f64,
    /// In percent of the best that the other campaigns left.
    pub value_percent_left: f64,
    /// How far the hours were off their share of traffic, in hourly budgets (`RMSE_T`).
    pub roughness: f64,
    /// Whether 99 % was spent before 22 hours had passed.
    pub early: bool,
}

/// Over all budgets and days that count.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// How many these are.
    pub budget_days: usize,
    /// Mean of the value in percent.
    pub value_mean: f64,
    /// Its tenth percentile.
    pub value_p10: f64,
    /// Mean and worst roughness.
    pub roughness_mean: f64,
    /// Worst roughness.
    pub roughness_worst: f64,
    /// Part that was spent early, in percent.
    pub early_percent: f64,
    /// Mean underspend in percent.
    pub under_mean: f64,
    /// Worst underspend in percent.
    pub under_worst: f64,
    /// Worst overspend in percent.
    pub over_worst: f64,
}

impl Report {
    /// The report of scores. The first `warm_up` days of each budget do not count in the summary.
    pub fn new(node: &Node, scores: &Scores, records: u64, warm_up: usize) -> Self {
        let line_items = scores.buyers.iter().enumerate();
        let line_items = line_items.map(|(at, buyer)| line_item(&buyer.id, scores, at));
        let mut budgets = Vec::new();
        let mut counted = Vec::new();
        let (mut before, mut days) = (None, 0);
        for ((campaign, date), purse) in &scores.purses {
            days = if before == Some(campaign) {
                days + 1
            } else {
                0
            };
            before = Some(campaign);
            let key = format!("campaign:{campaign}:day:{date}");
            let Some(state) = node.books.budget(&key) else {
                continue;
            };
            let day = budget_day((campaign, date), state.limit, state.spent, purse);
            if days >= warm_up {
                counted.push(day.clone());
            }
            budgets.push(day);
        }
        Self {
            records,
            seconds: 0.0,
            malformed: 0,
            line_items: line_items.collect(),
            summary: Summary::of(&counted),
            budgets,
        }
    }

    /// The report as a table.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} records in {:.1} s\n\n{}",
            self.records,
            self.seconds,
            "campaign             date        budget       spend        value %  RMSE_T  under %   over %\n"
        );
        for day in &self.budgets {
            let _ = writeln!(
                text,
                "{:20} {:11} {:12} {:12} {:7.2} {:7.3} {:8.3} {:8.4}{}",
                day.campaign,
                day.date,
                day.budget.to_string(),
                day.spend.to_string(),
                day.value_percent,
                day.roughness,
                day.under * 100.0,
                day.over * 100.0,
                if day.early { "  early" } else { "" },
            );
        }
        let summary = &self.summary;
        let _ = writeln!(
            text,
            "\nvalue {:.2} % mean, {:.2} % at p10; RMSE_T {:.3} mean, {:.3} worst; early {:.1} %; \
             underspend {:.3} % mean, {:.3} % worst; overspend {:.4} %",
            summary.value_mean,
            summary.value_p10,
            summary.roughness_mean,
            summary.roughness_worst,
            summary.early_percent,
            summary.under_mean,
            summary.under_worst,
            summary.over_worst,
        );
        text
    }
}

fn line_item(id: &str, scores: &Scores, at: usize) -> LineItem {
    let hours = scores.filled(at);
    let mut total = Hour::default();
    for hour in hours.values() {
        total.requests += hour.requests;
        total.eligible += hour.eligible;
        total.bids += hour.bids;
        total.wins += hour.wins;
        total.spend.0 += hour.spend.0;
        total.value.0 += hour.value.0;
        total.unbilled.0 += hour.unbilled.0;
    }
    let name = |hour: i64| {
        let time = Timestamp::from_millisecond(hour * HOUR_MS);
        time.map_or_else(|_| hour.to_string(), |time| time.to_string())
    };
    LineItem {
        id: id.to_owned(),
        total,
        hours: hours
            .into_iter()
            .map(|(hour, counts)| NamedHour {
                hour: name(hour),
                counts,
            })
            .collect(),
    }
}

fn budget_day(
    (campaign, date): (&str, &str),
    limit: Micros,
    charged: Micros,
    purse: &Purse,
) -> BudgetDay {
    let budget = limit.0 as f64;
    let spent = charged.0 as f64;
    let could = purse.all.cost().min(budget);
    let under = (could - spent).max(0.0);
    let over = (charged.0 - limit.0).max(0);
    let percent = |best: f64| {
        if best > 0.0 {
            purse.value / best * 100.0
        } else {
            100.0
        }
    };
    let traffic: u64 = purse.hours.iter().map(|hour| hour.0).sum();
    let squares = purse.hours.iter().map(|(eligible, spend)| {
        let share = *eligible as f64 / traffic.max(1) as f64;
        (spend - budget * share).powi(2)
    });
    let length = if purse.hours[24].0 > 0 { 25.0 } else { 24.0 };
    let early: f64 = purse.hours[..EARLY].iter().map(|hour| hour.1).sum();
    BudgetDay {
        campaign: campaign.to_owned(),
        date: date.to_owned(),
        budget: limit,
        spend: charged,
        over_delivered: Micros(purse.over_delivered),
        overspend: Micros(over),
        over: over as f64 / budget,
        underspend: Micros(under as i64),
        under: if could > 0.0 { under / could } else { 0.0 },
        value_percent: percent(purse.all.best(budget)),
        value_percent_left: percent(purse.left.best(budget)),
        roughness: (squares.sum::<f64>() / length).sqrt() / (budget / length),
        early: early >= 0.99 * budget,
    }
}

impl Summary {
    /// Of the days of some budgets.
    pub fn of(days: &[BudgetDay]) -> Self {
        if days.is_empty() {
            return Self::default();
        }
        let count = days.len() as f64;
        let mean = |of: fn(&BudgetDay) -> f64| days.iter().map(of).sum::<f64>() / count;
        let worst = |of: fn(&BudgetDay) -> f64| days.iter().map(of).fold(0.0, f64::max);
        let mut values: Vec<f64> = days.iter().map(|day| day.value_percent).collect();
        values.sort_unstable_by(f64::total_cmp);
        Self {
            budget_days: days.len(),
            value_mean: mean(|day| day.value_percent),
            value_p10: values[(values.len() - 1) / 10],
            roughness_mean: mean(|day| day.roughness),
            roughness_worst: worst(|day| day.roughness),
            early_percent: mean(|day| f64::from(u8::from(day.early))) * 100.0,
            under_mean: mean(|day| day.under) * 100.0,
            under_worst: worst(|day| day.under) * 100.0,
            over_worst: worst(|day| day.over) * 100.0,
        }
    }
}
