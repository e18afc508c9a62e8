use crate::List;
use crate::object::object;
use crate::request::{Data, Eid, Geo, Text};

object! {
    /// The person behind the device (section 3.2.20).
    User {
        id: Option<&'a str>,
        buyeruid: Option<&'a str>,
        yob: Option<i64>,
        gender: Option<&'a str>,
        keywords: Option<&'a str>,
        kwarray: List<'a, &'a str>,
        customdata: Option<&'a str>,
        geo: Option<&'a Geo<'a>>,
        data: List<'a, Data<'a>>,
        consent: Option<Text<'a>>,
        eids: List<'a, Eid<'a>>,
    }
    then crate::request::older::user
}
