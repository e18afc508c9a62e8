//! Pods, and who may stand beside whom: what the bids of one response must not do together.
//!
//! A pod is a break of several advertisements. Its slots come as imps of one `podid`, or as one
//! imp with a total length (`poddur`), which is answered with several bids. Within a pod nothing
//! repeats that `poddedupe` names. Competitors never answer one request together. Cost: a look
//! at each earlier bid of the request, of which there are few.

use crate::NoBid;
use crate::catalog::{Catalog, Display, Format, Item, PodPosition};
use crate::respond::Winner;
use openrtb::list::{PodDedupe, SlotInPod};
use openrtb::request::Imp;
use openrtb::{BidRequest, List};

/// Most bids for one imp.
const MOST_BIDS: u32 = 8;

/// The pod of an imp.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'a> {
    id: Option<&'a str>,
    /// Seconds that all advertisements of the imp may last together; 0 where it takes one.
    pub(crate) seconds: i64,
    most: u32,
    dedupe: List<'a, PodDedupe>,
    slot: SlotInPod,
    format: Format,
}

/// The pod that an advertisement of a format would stand in.
pub(crate) fn of<'a>(imp: &Imp<'a>, format: Format) -> Option<Pod<'a>> {
    let pod = |id: Option<&'a str>, seconds: Option<i64>, most: Option<i64>| Pod {
        id: id.filter(|id| !id.is_empty()),
        format,
        seconds: seconds.unwrap_or(0),
        most: most.and_then(|most| u32::try_from(most).ok()).unwrap_or(0),
        dedupe: List::default(),
        slot: SlotInPod::Any,
    };
    match format {
        Format::Video => imp.video.map(|one| Pod {
            dedupe: one.poddedupe,
            slot: one.slotinpod.unwrap_or(SlotInPod::Any),
            ..pod(one.podid, one.poddur, one.maxseq)
        }),
        Format::Audio => imp.audio.map(|one| Pod {
            slot: one.slotinpod.unwrap_or(SlotInPod::Any),
            ..pod(one.podid, one.poddur, one.maxseq)
        }),
        Format::Banner | Format::Native => None,
    }
}

/// How many bids of a format an imp may have.
pub(crate) fn slots(imp: &Imp<'_>, format: Format) -> u32 {
    match of(imp, format) {
        Some(pod) if pod.seconds > 0 && pod.most > 0 => pod.most.min(MOST_BIDS),
        Some(pod) if pod.seconds > 0 => MOST_BIDS,
        _ => 1,
    }
}

/// The bids that were made for a request so far.
#[derive(Clone, Copy)]
pub(crate) struct Company<'c, 'a> {
    pub(crate) request: &'c BidRequest<'a>,
    pub(crate) catalog: &'c Catalog,
    pub(crate) winners: &'c [Winner],
}

impl<'a> Company<'_, 'a> {
    /// Whether a line item may stand beside the bids so far, whatever it shows.
    ///
    /// # Errors
    /// It bids already, or a competitor does.
    pub(crate) fn admits(&self, at: u32, item: &Item) -> Result<(), NoBid> {
        for winner in self.winners {
            // One bid of a line item is enough for one request.
            if winner.item == at {
                return Err(NoBid::Competing);
            }
            let other = self.catalog.items[winner.item as usize].advertiser;
            let rivals = |of: u32| &self.catalog.advertisers[of as usize].competitive;
            let label = |label: &u32| rivals(other).contains(label);
            if other != item.advertiser && rivals(item.advertiser).iter().any(label) {
                return Err(NoBid::Competing);
            }
        }
        Ok(())
    }

    /// The place that a line item's bid asks for in the pod of an imp: what it wishes, where
    /// the seller guarantees it and nobody else has it.
    ///
    /// # Errors
    /// The place is not guaranteed, or taken.
    pub(crate) fn position(
        &self,
        wish: PodPosition,
        (imp, at): (&Imp<'_>, u32),
        format: Format,
    ) -> Result<SlotInPod, NoBid> {
        let (place, other) = match wish {
            PodPosition::Any => return Ok(SlotInPod::Any),
            PodPosition::First => (SlotInPod::First, SlotInPod::FirstOrLast),
            PodPosition::Last => (SlotInPod::Last, SlotInPod::FirstOrLast),
        };
        let slot = of(imp, format).map(|pod| pod.slot);
        if slot != Some(place) && slot != Some(other) {
            return Err(NoBid::NotTargeted);
        }
        let taken = |winner: &Winner| winner.imp == at && winner.form.slot == place;
        if self.winners.iter().any(taken) {
            return Err(NoBid::Competing);
        }
        Ok(place)
    }

    /// Whether a creative may stand beside the bids in the pod of the imp at `at`.
    ///
    /// # Errors
    /// It would repeat what must not repeat, it is another format than the imp's bids so far,
    /// or no time is left for it.
    pub(crate) fn shows(&self, creative: &Display, imp: &Imp<'a>, at: u32) -> Result<(), NoBid> {
        let own = of(imp, creative.format);
        let mut left = own.map_or(0, |pod| pod.seconds);
        for winner in self.winners {
            let other = &self.catalog.creatives[winner.creative as usize];
            let same_imp = winner.imp == at;
            if same_imp && other.format != creative.format {
                return Err(NoBid::Competing);
            }
            left -= if same_imp { other.seconds } else { 0 };
            let theirs = of(&self.request.imp[winner.imp as usize], other.format);
            let (Some(own), Some(theirs)) = (own, theirs) else {
                continue;
            };
            let same_pod = own.id.is_some() && (own.id, own.format) == (theirs.id, theirs.format);
            let mut rules = own.dedupe.iter().chain(theirs.dedupe.iter());
            if (same_imp || same_pod) && rules.any(|rule| repeats(*rule, creative, other)) {
                return Err(NoBid::Competing);
            }
        }
        match own {
            Some(pod) if pod.seconds > 0 && creative.seconds > left => Err(NoBid::Competing),
            _ => Ok(()),
        }
    }
}

/// Whether two creatives are alike in what must not repeat.
fn repeats(rule: PodDedupe, one: &Display, other: &Display) -> bool {
    let shared = |one: &[Box<str>], other: &[Box<str>]| one.iter().any(|own| other.contains(own));
    match rule {
        PodDedupe::Advertiser => shared(&one.domains, &other.domains),
        PodDedupe::Category => shared(&one.cat, &other.cat),
        PodDedupe::Creative => one.crid == other.crid,
        PodDedupe::MediaFile => one.file == other.file,
        PodDedupe::Nothing | PodDedupe::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openrtb::request::{Audio, Video};

    #[test]
    fn a_pod_takes_as_many_bids_as_it_says() {
        let most = |poddur: Option<i64>, maxseq: Option<i64>| {
            let video = Video {
                poddur,
                maxseq,
                ..Video::default()
            };
            let imp = Imp {
                video: Some(&video),
                ..Imp::default()
            };
            slots(&imp, Format::Video)
        };
        assert_eq!(most(None, Some(3)), 1);
        assert_eq!(most(Some(0), None), 1);
        assert_eq!(most(Some(60), Some(3)), 3);
        assert_eq!(most(Some(60), None), MOST_BIDS);
        assert_eq!(most(Some(60), Some(i64::MAX)), MOST_BIDS);
        let audio = Audio {
            poddur: Some(60),
            ..Audio::default()
        };
        let imp = Imp {
            audio: Some(&audio),
            ..Imp::default()
        };
        assert_eq!(slots(&imp, Format::Audio), MOST_BIDS);
        assert_eq!(slots(&imp, Format::Banner), 1);
    }
}
