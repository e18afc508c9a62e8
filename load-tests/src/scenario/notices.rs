//! Billing notices at a steady rate beside bids: how soon each is acknowledged, which is after it
//! is durable, and whether bids wait longer for it.
//!
//! First so many bids are asked for and their billing addresses kept. Then bids alone are
//! measured, then the same bids beside the notices, in one run; each notice is a bid of its own
//! and charged.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::generator::{self, Bodies, Pace, Plan, Report, Target};

/// Connections that ask for the bids to be billed.
const ASKING: usize = 8;
/// Requests without a single bid after which there will be none.
const PATIENCE: usize = 20_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What to measure and for how long.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bidder's endpoint.
    pub bidder: Target,
    /// Bid requests.
    pub bodies: Arc<Bodies>,
    /// Bid requests a second, with and without notices beside them.
    pub bid_rate: f64,
    /// Billing notices a second.
    pub rate: f64,
    /// Connections for notices.
    pub connections: usize,
    /// How long notices are sent.
    pub duration: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Bids without notices beside them.
    pub alone: Report,
    /// Bids beside notices.
    pub beside: Report,
    /// The notices.
    pub notices: Report,
}

impl Outcome {
    /// The result for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "bids_alone": self.alone.to_json(),
            "bids_beside": self.beside.to_json(),
            "notices": self.notices.to_json(),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "bids alone\n{}", self.alone)?;
        writeln!(out, "bids beside notices\n{}", self.beside)?;
        write!(out, "notices\n{}", self.notices)
    }
}

/// Runs the measurement; `progress` gets a line for each step.
///
/// # Errors
/// The bidder is not there, makes no bids that can be billed, or a plan is out of bounds.
pub async fn run(
    settings: &Settings,
    progress: impl Fn(fmt::Arguments<'_>),
) -> anyhow::Result<Outcome> {
    let wanted = (settings.rate * settings.duration.as_secs_f64()).ceil() as usize;
    progress(format_args!("asking for {wanted} bids to bill"));
    let mut asking = tokio::task::JoinSet::new();
    for part in 0..ASKING {
        let (target, bodies) = (settings.bidder.clone(), Arc::clone(&settings.bodies));
        let count = wanted / ASKING + usize::from(part < wanted % ASKING);
        asking.spawn(async move { ask(&target, &bodies, part, count).await });
    }
    let mut paths = Vec::with_capacity(wanted);
    while let Some(asked) = asking.join_next().await {
        paths.append(&mut asked??);
    }
    let bids = |duration| Plan {
        target: settings.bidder.clone(),
        pace: Pace::Open(settings.bid_rate),
        connections: settings.connections,
        duration,
        requests: generator::REQUESTS_MAX,
        timeout: ANSWER_WITHIN,
        bodies: Arc::clone(&settings.bodies),
    };
    progress(format_args!("bids alone"));
    let alone = generator::run(&bids(settings.duration)).await?;
    progress(format_args!("bids beside notices"));
    let notices = Plan {
        pace: Pace::Open(settings.rate),
        requests: wanted as u64,
        bodies: Arc::new(Bodies::paths(paths)),
        ..bids(settings.duration)
    };
    let bids = bids(settings.duration);
    let (notices, beside) = tokio::join!(generator::run(&notices), generator::run(&bids));
    Ok(Outcome {
        alone,
        beside: beside?,
        notices: notices?,
    })
}

/// Asks for bids until `count` can be billed; their paths with the macros filled in.
async fn ask(
    target: &Target,
    bodies: &Bodies,
    part: usize,
    count: usize,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let stream = TcpStream::connect(target.address()).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut paths = Vec::with_capacity(count);
    let lines = bodies.lines().cycle().skip(part).step_by(ASKING);
    for (asked, body) in lines.enumerate() {
        if paths.len() >= count {
            break;
        }
        ensure!(
            asked < PATIENCE || !paths.is_empty(),
            "{asked} requests and no bid with a billing notice: the bodies must fit the resources"
        );
        let request = Request::post(target.path())
            .header("Host", target.address().to_string())
            .header("Content-Type", "application/json")
            .body(Full::new(Bytes::copy_from_slice(body)))?;
        let answer = sender.send_request(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        if !body.is_empty() {
            let response: Value = serde_json::from_slice(&body).context("a bid response")?;
            paths.extend(billing_paths(&response));
        }
    }
    paths.truncate(count);
    Ok(paths)
}

/// The paths of the billing notices of all bids, at the price that was bid.
fn billing_paths(response: &Value) -> Vec<Vec<u8>> {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let currency = response["cur"].as_str().unwrap_or_default();
    let bids = list(response, "seatbid")
        .into_iter()
        .flat_map(|seat| list(&seat, "bid"));
    bids.filter_map(|bid| {
        let (_, rest) = bid["burl"].as_str()?.split_once("://")?;
        let path = rest.find('/').map(|at| &rest[at..])?;
        let filled = path
            .replace("${AUCTION_PRICE}", &bid["price"].to_string())
            .replace("${AUCTION_CURRENCY}", currency);
        Some(filled.into_bytes())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn billing_paths_are_filled_and_without_host() {
        let response = json!({ "cur": "EUR", "seatbid": [{ "bid": [
            { "price": 1.25, "burl":
              "http://127.0.0.1:1/n/bill?t=x&p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}" },
            { "price": 1 },
        ] }] });
        let paths = billing_paths(&response);
        assert_eq!(paths, [b"/n/bill?t=x&p=1.25&c=EUR".to_vec()]);
        assert!(billing_paths(&json!({ "nbr": 1 })).is_empty());
    }
}
