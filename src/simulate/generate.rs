//! Streams to simulate with: log-normal values and prices over a diurnal traffic, from a seed.

use super::chance::Chance;
use super::stream::{Record, Stream};
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use ledger::Cpm;
use std::fmt::Write;
use std::path::Path;

const HOUR_MS: i64 = 3_600_000;

/// A usual week, by hour from Monday 00:00, where no file says otherwise.
const USUAL: [f64; 24] = [
    0.40, 0.28, 0.22, 0.22, 0.26, 0.36, 0.52, 0.75, 1.05, 1.35, 1.50, 1.55, 1.55, 1.55, 1.50, 1.45,
    1.40, 1.35, 1.30, 1.25, 1.15, 1.00, 0.80, 0.58,
];

/// What a stream is like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// When it begins, unix milliseconds, at midnight UTC.
    pub start_ms: i64,
    /// Days.
    pub days: usize,
    /// Requests on an average day.
    pub requests: usize,
    /// Shares of a week's traffic by hour, Monday 00:00 first.
    pub traffic: Vec<f64>,
    /// From which hour of the last day on, for how many hours, and how much more traffic.
    pub spike: Option<(usize, usize, f64)>,
    /// Campaigns, with one line item each.
    pub campaigns: usize,
    /// Whether every request is worth something to every line item; else to one, so that they
    /// do not compete.
    pub competing: bool,
    /// Deviation of the logarithm of values and of prices.
    pub spread: (f64, f64),
    /// Correlation of the two.
    pub correlation: f64,
    /// How much dearer the dearest hour is than the cheapest, 0 for not at all.
    pub dearer: f64,
    /// Everything random follows from it.
    pub seed: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            // A Monday.
            start_ms: 1_767_571_200_000,
            days: 2,
            requests: 500_000,
            traffic: USUAL.repeat(7),
            spike: None,
            campaigns: 9,
            competing: false,
            spread: (0.6, 0.8),
            correlation: 0.3,
            dearer: 0.2,
            seed: 1,
        }
    }
}

impl Shape {
    /// Takes the shares of a region from a file of `region_id,dow,hour,traffic_share`, with days
    /// from 1 for Monday.
    ///
    /// # Errors
    /// Where it cannot be read, with its line, or does not have 168 hours of the region.
    pub fn read_traffic(&mut self, path: &Path, region: usize) -> Result<()> {
        let name = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
        let mut regions: Vec<(&str, Vec<f64>)> = Vec::new();
        for (number, line) in text.lines().enumerate().skip(1) {
            let place = || format!("{name}:{}", number + 1);
            let mut fields = line.split(',');
            let mut field = || fields.next().with_context(place);
            let id = field()?;
            let day: usize = field()?.parse().with_context(place)?;
            let hour: usize = field()?.parse().with_context(place)?;
            let share: f64 = field()?.parse().with_context(place)?;
            ensure!(
                (1..=7).contains(&day) && hour < 24,
                "{}: no such hour",
                place()
            );
            let known = regions.iter().position(|(known, _)| *known == id);
            let known = known.unwrap_or_else(|| {
                regions.push((id, vec![0.0; 168]));
                regions.len() - 1
            });
            regions[known].1[(day - 1) * 24 + hour] = share;
        }
        ensure!(!regions.is_empty(), "{name} names no region");
        let (_, shares) = regions.swap_remove(region % regions.len());
        ensure!(
            shares.iter().sum::<f64>() > 0.0,
            "{name}: the region has no traffic"
        );
        self.traffic = shares;
        Ok(())
    }

    /// Id of a line item.
    pub fn line_item(at: usize) -> String {
        format!("li_{at}")
    }

    /// The resources that go with the stream: a campaign for each line item, with daily budgets
    /// from a quarter to a sixty-fourth of what all that it could buy on an average day costs.
    pub fn setup(&self) -> String {
        let mut text = String::from(
            "[[advertisers]]\nid = \"adv_1\"\nname = \"Simulated\"\ncurrency = \"USD\"\n\
             timezone = \"UTC\"\ndomain = \"simulated.example\"\n\n\
             [[creatives]]\nid = \"cr_1\"\nadvertiser = \"adv_1\"\nformat = \"banner\"\n\
             w = 300\nh = 250\nadm = '<a href=\"${CLICK_URL}\"><img src=\"https://cdn.simulated.example/1.png\"></a>'\n\
             adomain = [\"simulated.example\"]\nlanding_page = \"https://simulated.example/\"\n\
             attr = []\ncat = [\"IAB2\"]\n\n",
        );
        for at in 0..self.campaigns {
            let part = 2.0_f64.powf(-2.0 - 4.0 * at as f64 / (self.campaigns.max(2) - 1) as f64);
            let daily = self.eligible_cost(at) * part;
            let _ = write!(
                text,
                "[[campaigns]]\nid = \"cmp_{at}\"\nadvertiser = \"adv_1\"\nname = \"Campaign {at}\"\n\
                 budget = {{ total = \"{:.2}\", daily = \"{daily:.2}\" }}\npacing = \"even\"\n\n\
                 [[line_items]]\nid = \"{}\"\ncampaign = \"cmp_{at}\"\nname = \"Line item {at}\"\n\
                 bid = {{ strategy = \"value\", max_cpm = \"20\" }}\ncreatives = [\"cr_1\"]\n\n",
                daily * 1_000.0,
                Self::line_item(at),
            );
        }
        text
    }

    /// What all that a line item could buy on an average day costs, in units.
    fn eligible_cost(&self, at: usize) -> f64 {
        const SAMPLE: usize = 20_000;
        let mut chance = Chance::new(self.seed, 77 + at as u64);
        let mut cost = 0.0;
        for sample in 0..SAMPLE {
            let hour = sample % 24;
            let (price, common) = self.price(hour, &mut chance);
            if self.value(at, common, &mut chance) >= price {
                cost += price * self.traffic[hour] / self.traffic[..24].iter().sum::<f64>() * 24.0;
            }
        }
        let requests = self.requests as f64
            / if self.competing {
                1.0
            } else {
                self.campaigns as f64
            };
        cost / SAMPLE as f64 / 1e3 * requests
    }

    /// The price of an impression in units per thousand, and what it has in common with values.
    fn price(&self, hour: usize, chance: &mut Chance) -> (f64, f64) {
        let common = chance.normal();
        let turn = ((hour % 24) as f64 - 19.0) / 24.0 * std::f64::consts::TAU;
        let dearer = self.dearer / 2.0 * turn.cos();
        (1.2 * (self.spread.1 * common + dearer).exp(), common)
    }

    fn value(&self, at: usize, common: f64, chance: &mut Chance) -> f64 {
        let own = (1.0 - self.correlation * self.correlation).sqrt() * chance.normal();
        let normal = self.correlation * common + own;
        let median = 1.5 * (1.0 + 0.1 * (at % 5) as f64);
        median * (self.spread.0 * normal).exp()
    }

    /// The stream.
    pub fn stream(&self) -> Generator {
        Generator {
            shape: self.clone(),
            chance: Chance::new(self.seed, 3),
            hour: 0,
            day_level: 1.0,
            times: Vec::new(),
            number: 0,
        }
    }

    /// Writes the stream as lines of JSON.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn write(&self, out: &mut dyn std::io::Write) -> Result<()> {
        let (mut stream, mut record) = (self.stream(), Record::default());
        while stream.next(&mut record)? {
            let at = Timestamp::from_millisecond(record.at_ms)?;
            write!(
                out,
                "{{\"at\":\"{at:.3}\",\"request\":{},\"value_cpm\":{{",
                record.request
            )?;
            for (place, (id, value)) in record.values.iter().enumerate() {
                let comma = if place > 0 { "," } else { "" };
                write!(out, "{comma}\"{id}\":{value}")?;
            }
            writeln!(out, "}},\"market_cpm\":{}}}", record.market)?;
        }
        Ok(())
    }
}

/// A generated stream.
pub struct Generator {
    shape: Shape,
    chance: Chance,
    hour: usize,
    day_level: f64,
    /// What is left of the hour, the latest first.
    times: Vec<i64>,
    number: u64,
}

impl Generator {
    /// Draws the times of the next hour.
    fn begin_hour(&mut self) {
        let shape = &self.shape;
        if self.hour.is_multiple_of(24) {
            self.day_level = (0.08 * self.chance.normal()).exp();
        }
        let all: f64 = shape.traffic.iter().sum();
        let share = shape.traffic[self.hour % 168] / all * 7.0;
        let noise = (0.05 * self.chance.normal()).exp();
        let mut expected = shape.requests as f64 * share * noise * self.day_level;
        if let Some((from, long, factor)) = shape.spike {
            let first = (shape.days - 1) * 24 + from;
            if (first..first + long).contains(&self.hour) {
                expected *= factor;
            }
        }
        let count = (expected + expected.sqrt() * self.chance.normal()).max(0.0) as usize;
        let start_ms = shape.start_ms + self.hour as i64 * HOUR_MS;
        for _ in 0..count {
            let into_ms = (self.chance.unit() * HOUR_MS as f64) as i64;
            self.times.push(start_ms + into_ms);
        }
        self.times.sort_unstable_by(|one, other| other.cmp(one));
        self.hour += 1;
    }
}

impl Stream for Generator {
    fn next(&mut self, record: &mut Record) -> Result<bool> {
        while self.times.is_empty() {
            if self.hour >= self.shape.days * 24 {
                return Ok(false);
            }
            self.begin_hour();
        }
        let Some(at_ms) = self.times.pop() else {
            return Ok(false);
        };
        self.number += 1;
        record.at_ms = at_ms;
        record.request.clear();
        let site = self.chance.below(40);
        let _ = write!(
            record.request,
            r#"{{"id":"r{}","imp":[{{"id":"1","banner":{{"w":300,"h":250,"format":[{{"w":300,"h":250}}]}},"secure":1}}],"site":{{"id":"{site}","domain":"site{site}.example","page":"https://site{site}.example/","publisher":{{"id":"pub_{}"}}}},"device":{{"ua":"Mozilla/5.0","devicetype":2,"os":"Windows","geo":{{"country":"USA"}}}},"at":2,"tmax":120,"cur":["USD"]}}"#,
            self.number,
            site % 7,
        );
        let (price, common) = self.shape.price(self.hour - 1, &mut self.chance);
        let cpm = |units: f64| Cpm((units * 1e6) as i64);
        record.market = cpm(price);
        record.values.clear();
        let buyers = if self.shape.competing {
            0..self.shape.campaigns
        } else {
            let one = self.chance.below(self.shape.campaigns);
            one..one + 1
        };
        for at in buyers {
            let value = self.shape.value(at, common, &mut self.chance);
            record.values.push((Shape::line_item(at), cpm(value)));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::stream::read_line;

    #[test]
    fn a_stream_is_the_same_from_the_same_seed_and_reads_back() {
        let shape = Shape {
            days: 1,
            requests: 500,
            ..Shape::default()
        };
        let (mut text, mut again) = (Vec::new(), Vec::new());
        shape.write(&mut text).unwrap();
        shape.write(&mut again).unwrap();
        assert_eq!(text, again);
        let text = String::from_utf8(text).unwrap();
        let (mut stream, mut wanted) = (shape.stream(), Record::default());
        let mut lines = text.lines();
        while stream.next(&mut wanted).unwrap() {
            let mut record = Record::default();
            read_line(lines.next().unwrap(), &mut record).unwrap();
            assert_eq!(record, wanted);
        }
        assert!(lines.next().is_none());
    }
}
