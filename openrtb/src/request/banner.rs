use crate::list::{BannerType, ExpandDirection, PlacementPosition};
use crate::object::object;
use crate::request::Format;
use crate::{Flag, List};

object! {
    /// A banner placement (section 3.2.6).
    Banner {
        format: List<'a, Format<'a>>,
        w: Option<i64>,
        h: Option<i64>,
        btype: List<'a, BannerType>,
        battr: List<'a, i64>,
        pos: Option<PlacementPosition>,
        mimes: List<'a, &'a str>,
        topframe: Option<Flag>,
        expdir: List<'a, ExpandDirection>,
        api: List<'a, i64>,
        id: Option<&'a str>,
        vcm: Option<Flag>,
    }
}
