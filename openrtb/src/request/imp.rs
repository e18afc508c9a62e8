use crate::list::ServerInsertion;
use crate::object::object;
use crate::request::{Audio, Banner, Metric, Native, Pmp, Qty, Refresh, Video};
use crate::{Flag, List};

object! {
    /// An impression offered (section 3.2.4).
    Imp {
        id: Option<&'a str>,
        metric: List<'a, Metric<'a>>,
        banner: Option<&'a Banner<'a>>,
        video: Option<&'a Video<'a>>,
        audio: Option<&'a Audio<'a>>,
        native: Option<&'a Native<'a>>,
        pmp: Option<&'a Pmp<'a>>,
        displaymanager: Option<&'a str>,
        displaymanagerver: Option<&'a str>,
        instl: Option<Flag>,
        tagid: Option<&'a str>,
        bidfloor: Option<f64>,
        bidfloorcur: Option<&'a str>,
        clickbrowser: Option<Flag>,
        secure: Option<Flag>,
        iframebuster: List<'a, &'a str>,
        rwdd: Option<Flag>,
        ssai: Option<ServerInsertion>,
        exp: Option<i64>,
        qty: Option<&'a Qty<'a>>,
        dt: Option<f64>,
        refresh: Option<&'a Refresh<'a>>,
    }
    then crate::request::older::imp
}
