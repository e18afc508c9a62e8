//! What a line item pays beside the media, as plain values.

use super::{Audience, MAX_CPM, MAX_ID, MAX_VALUES};
use ledger::Cpm;
use ledger::fees::MOST_PROVIDERS;

/// What a line item pays beside the media.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineFees {
    /// The platform's fee, in millionths of the media's cost.
    pub platform_ppm: u32,
    /// The prices of those segments of its audience that have one.
    pub data: Vec<DataPrice>,
}

/// What a provider asks for a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPrice {
    /// The segment. Of each group of the audience the first one that the user is in is paid, by
    /// the order of the group, and each once.
    pub segment: String,
    /// Id of the provider.
    pub provider: String,
    /// Per thousand impressions, in the advertiser's currency.
    pub cpm: Cpm,
    /// Whether it is paid too where the audience excludes it, with every impression.
    pub excluded: bool,
}

impl LineFees {
    /// How many parts of an audience are paid at once, at most [`MOST_PROVIDERS`].
    pub fn parts(&self, audience: &Audience) -> usize {
        crate::fees::parts(self, audience)
    }

    /// What is wrong with them for an audience, each with its field.
    pub(super) fn faults(&self, audience: &Audience) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.platform_ppm > 1_000_000 {
            faults.push(("fees.platform_ppm", "expected at most 1000000".to_owned()));
        }
        let mut data = |problem: String| faults.push(("fees.data", problem));
        if self.data.len() > MAX_VALUES {
            data(format!("{} values, at most {MAX_VALUES}", self.data.len()));
        }
        for price in &self.data {
            let id = &price.provider;
            if id.is_empty() || id.len() > MAX_ID || id.contains([',', '=']) {
                data(format!("expected an id, found {id:?}"));
            }
            if price.cpm <= Cpm(0) || price.cpm > MAX_CPM {
                data(format!("expected above 0 and at most {MAX_CPM}"));
            }
        }
        let parts = self.parts(audience);
        if parts > MOST_PROVIDERS {
            let problem =
                format!("{parts} parts of the audience are paid, at most {MOST_PROVIDERS}");
            data(problem);
        }
        faults
    }
}
