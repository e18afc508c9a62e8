use crate::list::{
    CompanionType, DeliveryMethod, Linearity, PlacementPosition, PlaybackEnd, PlaybackMethod,
    PodDedupe, PodSequence, SlotInPod, StartDelay,
};
use crate::object::object;
use crate::request::{Banner, DurFloors};
use crate::{Flag, List};

object! {
    /// A video placement (section 3.2.7).
    Video {
        mimes: List<'a, &'a str>,
        minduration: Option<i64>,
        maxduration: Option<i64>,
        startdelay: Option<StartDelay>,
        maxseq: Option<i64>,
        poddur: Option<i64>,
        protocols: List<'a, i64>,
        w: Option<i64>,
        h: Option<i64>,
        podid: Option<&'a str>,
        podseq: Option<PodSequence>,
        rqddurs: List<'a, i64>,
        placement: Option<i64>,
        plcmt: Option<i64>,
        linearity: Option<Linearity>,
        skip: Option<Flag>,
        skipmin: Option<i64>,
        skipafter: Option<i64>,
        sequence: Option<i64>,
        slotinpod: Option<SlotInPod>,
        mincpmpersec: Option<f64>,
        battr: List<'a, i64>,
        maxextended: Option<i64>,
        minbitrate: Option<i64>,
        maxbitrate: Option<i64>,
        boxingallowed: Option<Flag>,
        playbackmethod: List<'a, PlaybackMethod>,
        playbackend: Option<PlaybackEnd>,
        delivery: List<'a, DeliveryMethod>,
        pos: Option<PlacementPosition>,
        companionad: List<'a, Banner<'a>>,
        api: List<'a, i64>,
        companiontype: List<'a, CompanionType>,
        poddedupe: List<'a, PodDedupe>,
        durfloors: List<'a, DurFloors<'a>>,
    }
}
