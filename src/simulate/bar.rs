//! The bar: every pacer over the same generated streams, in the situations in which pacers fail,
//! as one table.
//!
//! Nine campaigns of a quarter to a sixty-fourth of their eligible cost, each with traffic of its
//! own; the first days are history and do not count. Cost: about 15 µs a record, so some minutes
//! of all cores at the default size.

use super::chance::Delay;
use super::generate::Shape;
use super::report::Summary;
use super::run::{Terms, run};
use super::setup::Setup;
use super::{Pacer, Transport};
use anyhow::{Context, Result, anyhow};
use control::apply::Source;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;

/// A situation.
#[derive(Clone, Debug)]
struct Situation {
    name: &'static str,
    shape: Shape,
    terms: Terms,
}

/// A figure that the default pacer has to reach in some situations.
struct Figure {
    name: &'static str,
    /// In which situations; everywhere where empty.
    situations: &'static [&'static str],
    of: fn(&Summary) -> f64,
    /// At least this (true) or at most.
    least: bool,
    bar: f64,
}

const FIGURES: [Figure; 8] = [
    Figure {
        name: "value %, mean",
        situations: &["plain"],
        of: |summary| summary.value_mean,
        least: true,
        bar: 98.5,
    },
    Figure {
        name: "value %, tenth percentile",
        situations: &["plain"],
        of: |summary| summary.value_p10,
        least: true,
        bar: 97.5,
    },
    Figure {
        name: "value %, mean, four times the traffic",
        situations: &["spike"],
        of: |summary| summary.value_mean,
        least: true,
        bar: 98.0,
    },
    Figure {
        name: "value %, mean, notices late by 300 s",
        situations: &["late"],
        of: |summary| summary.value_mean,
        least: true,
        bar: 98.0,
    },
    Figure {
        name: "RMSE_T, mean",
        situations: &["plain"],
        of: |summary| summary.roughness_mean,
        least: false,
        bar: 0.10,
    },
    Figure {
        name: "early, %",
        situations: &["plain"],
        of: |summary| summary.early_percent,
        least: false,
        bar: 0.0,
    },
    Figure {
        name: "underspend %, mean",
        situations: &["plain", "late"],
        of: |summary| summary.under_mean,
        least: false,
        bar: 0.3,
    },
    Figure {
        name: "overspend %, worst",
        situations: &[],
        of: |summary| summary.over_worst,
        least: false,
        bar: 0.0,
    },
];

/// Runs all pacers, or one, over all situations made from `shape`, and prints the table and the
/// bar. `workers` simulations run at a time.
///
/// # Errors
/// What is wrong with a simulation.
pub fn bar(shape: &Shape, terms: &Terms, only: Option<Pacer>, workers: usize) -> Result<String> {
    let situations = situations(shape, terms);
    let pacers: Vec<Pacer> = match only {
        Some(pacer) => vec![pacer],
        None => vec![
            Pacer::Even,
            Pacer::LogDual,
            Pacer::Pid,
            Pacer::Throttle,
            Pacer::Asap,
        ],
    };
    let jobs: Vec<(&Situation, Pacer)> = situations
        .iter()
        .flat_map(|situation| pacers.iter().map(move |pacer| (situation, *pacer)))
        .collect();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Result<Summary>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((situation, pacer)) = jobs.get(at) else {
                        return;
                    };
                    let summary = situation.run(*pacer);
                    if let Ok(mut done) = done.lock() {
                        done[at] = Some(summary);
                    }
                }
            });
        }
    });
    let done = done
        .into_inner()
        .map_err(|_| anyhow!("a simulation panicked"))?;
    let summaries = done
        .into_iter()
        .map(|summary| summary.context("a simulation did not end")?)
        .collect::<Result<Vec<_>>>()?;
    Ok(table(&jobs, &summaries))
}

fn situations(shape: &Shape, terms: &Terms) -> Vec<Situation> {
    let last_ms = shape.start_ms + (shape.days as i64 - 1) * 24 * HOUR_MS;
    let plain = |name| Situation {
        name,
        shape: shape.clone(),
        terms: terms.clone(),
    };
    let delayed = Transport {
        bill: Delay::Fixed(Duration::from_mins(5)),
        ..terms.transport
    };
    let lossy = Transport {
        loss: 0.02,
        ..terms.transport
    };
    vec![
        plain("plain"),
        Situation {
            shape: Shape {
                spike: Some((11, 2, 4.0)),
                ..shape.clone()
            },
            ..plain("spike")
        },
        Situation {
            terms: Terms {
                transport: delayed,
                ..terms.clone()
            },
            ..plain("late")
        },
        Situation {
            terms: Terms {
                transport: lossy,
                ..terms.clone()
            },
            ..plain("lossy")
        },
        Situation {
            terms: Terms {
                crashes: vec![last_ms + 9 * HOUR_MS + 1_800_000, last_ms + 17 * HOUR_MS],
                ..terms.clone()
            },
            ..plain("crashes")
        },
    ]
}

impl Situation {
    fn run(&self, pacer: Pacer) -> Result<Summary> {
        let source = Source {
            name: "generated.toml".to_owned(),
            text: self.shape.setup(),
        };
        let setup = |start_ms| {
            let mut setup = Setup::new(&[source], start_ms)?;
            setup.pace_by(Some(pacer.pacing()));
            Ok(setup)
        };
        Ok(run(setup, &mut self.shape.stream(), &self.terms)?.summary)
    }
}

fn table(jobs: &[(&Situation, Pacer)], summaries: &[Summary]) -> String {
    let mut text = String::from(
        "| situation | pacer | value % | p10 | `RMSE_T` | early % | underspend % | overspend % |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for ((situation, pacer), summary) in jobs.iter().zip(summaries) {
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.3} | {:.1} | {:.3} | {:.4} |",
            situation.name,
            pacer.name(),
            summary.value_mean,
            summary.value_p10,
            summary.roughness_mean,
            summary.early_percent,
            summary.under_mean,
            summary.over_worst,
        );
    }
    text.push_str("\n| figure | situation | bar | even | |\n| --- | --- | ---: | ---: | --- |\n");
    for figure in &FIGURES {
        for ((situation, pacer), summary) in jobs.iter().zip(summaries) {
            let wanted =
                figure.situations.is_empty() || figure.situations.contains(&situation.name);
            if *pacer != Pacer::Even || !wanted {
                continue;
            }
            let value = (figure.of)(summary);
            let (sign, met) = if figure.least {
                ("≥", value >= figure.bar)
            } else {
                ("≤", value <= figure.bar)
            };
            let _ = writeln!(
                text,
                "| {} | {} | {sign} {} | {value:.3} | {} |",
                figure.name,
                situation.name,
                figure.bar,
                if met { "met" } else { "missed" },
            );
        }
    }
    text
}
