//! The response and its objects (section 4).

use crate::list::{CategoryTaxonomy, MediaRating, NoBidReason, SlotInPod};
use crate::object::object;
use crate::{Flag, List};

object! {
    /// The answer to a request (section 4.2.1).
    BidResponse {
        id: Option<&'a str>,
        seatbid: List<'a, SeatBid<'a>>,
        bidid: Option<&'a str>,
        cur: Option<&'a str>,
        customdata: Option<&'a str>,
        nbr: Option<NoBidReason>,
    }
}

object! {
    /// The bids of one seat (section 4.2.2).
    SeatBid {
        bid: List<'a, Bid<'a>>,
        seat: Option<&'a str>,
        group: Option<Flag>,
    }
}

object! {
    /// An offer to buy an impression (section 4.2.3).
    Bid {
        id: Option<&'a str>,
        impid: Option<&'a str>,
        price: Option<f64>,
        nurl: Option<&'a str>,
        burl: Option<&'a str>,
        lurl: Option<&'a str>,
        adm: Option<&'a str>,
        adid: Option<&'a str>,
        adomain: List<'a, &'a str>,
        bundle: Option<&'a str>,
        iurl: Option<&'a str>,
        cid: Option<&'a str>,
        crid: Option<&'a str>,
        tactic: Option<&'a str>,
        cattax: Option<CategoryTaxonomy>,
        cat: List<'a, &'a str>,
        attr: List<'a, i64>,
        apis: List<'a, i64>,
        api: Option<i64>,
        protocol: Option<i64>,
        qagmediarating: Option<MediaRating>,
        language: Option<&'a str>,
        langb: Option<&'a str>,
        dealid: Option<&'a str>,
        w: Option<i64>,
        h: Option<i64>,
        wratio: Option<i64>,
        hratio: Option<i64>,
        exp: Option<i64>,
        dur: Option<i64>,
        mtype: Option<i64>,
        slotinpod: Option<SlotInPod>,
    }
}
