//! How a partner is asked: over which transport, with what limits, and in what form.

use super::Invalid;
use openrtb::reshape::{Rule, Shape};

/// The most rules that reshape one partner's requests.
pub const MAX_RULES: usize = 64;

/// How a partner is asked. The default is plain HTTP/1.1 with the limits of the connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// Whether many calls share a connection: HTTP/2, which TLS negotiates and plain TCP takes
    /// for granted (prior knowledge).
    pub http2: bool,
    /// Whether requests are sent compressed. The partner must have agreed to it.
    pub gzip_requests: bool,
    /// Whether compressed answers are asked for.
    pub gzip_answers: bool,
    /// Part of the time that is kept for the way to the partner and back, in milliseconds: it
    /// is taken off the `tmax` that the partner is told, not off its deadline.
    pub network_margin_ms: u32,
    /// Calls under way at once over the whole node; 0 means as many as its connections carry.
    pub max_in_flight: u32,
    /// Requests per second for the impressions of one publisher; 0 means no limit.
    pub max_publisher_qps: u32,
    /// Answers without a bid on one kind of traffic after which it is sent less of it; 0 means
    /// never.
    pub throttle_after: u32,
    /// The least part of that traffic that it still gets, in percent.
    pub explore_percent: u8,
    /// Whether an imp of several formats is sent as one imp for each.
    pub splits_formats: bool,
    /// What is left out of its requests or put elsewhere.
    pub rules: Vec<Rule>,
    /// Whether the answer to its win notice may be the markup of a bid that has none.
    pub markup_from_nurl: bool,
    /// Whether its notices carry the address and the browser of the device.
    pub device_headers: bool,
}

impl Default for Treatment {
    fn default() -> Self {
        Self {
            http2: false,
            gzip_requests: false,
            gzip_answers: false,
            network_margin_ms: 0,
            max_in_flight: 0,
            max_publisher_qps: 0,
            throttle_after: 0,
            explore_percent: 5,
            splits_formats: false,
            rules: Vec::new(),
            markup_from_nurl: false,
            device_headers: false,
        }
    }
}

impl Treatment {
    /// The shapes that requests for a partner that speaks `version` of OpenRTB go through, one
    /// after the other; none where they go out as they are. The partner's own rules see what
    /// the version has made of the request.
    ///
    /// # Errors
    /// An [`Invalid`] at `rules`: too many, or one that cannot be meant.
    pub fn shapes(&self, version: &str) -> Result<Vec<Shape>, Invalid> {
        let fault = |problem: String| Invalid::new("rules", problem);
        if self.rules.len() > MAX_RULES {
            let problem = format!("{} given, at most {MAX_RULES} allowed", self.rules.len());
            return Err(fault(problem));
        }
        let mut shapes = Vec::new();
        if version == "2.5" {
            shapes.push(Shape::to_2_5());
        }
        if !self.rules.is_empty() {
            shapes.push(Shape::new(&self.rules).map_err(|unfit| fault(unfit.to_string()))?);
        }
        Ok(shapes)
    }
}
