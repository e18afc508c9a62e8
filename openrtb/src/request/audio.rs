use crate::list::{
    CompanionType, DeliveryMethod, FeedType, PodSequence, SlotInPod, StartDelay,
    VolumeNormalization,
};
use crate::object::object;
use crate::request::{Banner, DurFloors};
use crate::{Flag, List};

object! {
    /// An audio placement (section 3.2.8).
    Audio {
        mimes: List<'a, &'a str>,
        minduration: Option<i64>,
        maxduration: Option<i64>,
        poddur: Option<i64>,
        protocols: List<'a, i64>,
        startdelay: Option<StartDelay>,
        rqddurs: List<'a, i64>,
        podid: Option<&'a str>,
        podseq: Option<PodSequence>,
        sequence: Option<i64>,
        slotinpod: Option<SlotInPod>,
        mincpmpersec: Option<f64>,
        battr: List<'a, i64>,
        maxextended: Option<i64>,
        minbitrate: Option<i64>,
        maxbitrate: Option<i64>,
        delivery: List<'a, DeliveryMethod>,
        companionad: List<'a, Banner<'a>>,
        api: List<'a, i64>,
        companiontype: List<'a, CompanionType>,
        maxseq: Option<i64>,
        feed: Option<FeedType>,
        stitched: Option<Flag>,
        nvol: Option<VolumeNormalization>,
        durfloors: List<'a, DurFloors<'a>>,
    }
}
