use crate::List;
use crate::object::object;
use crate::request::DurFloors;

object! {
    /// A deal between buyer and seller (section 3.2.12).
    Deal {
        id: Option<&'a str>,
        bidfloor: Option<f64>,
        bidfloorcur: Option<&'a str>,
        at: Option<i64>,
        wseat: List<'a, &'a str>,
        wadomain: List<'a, &'a str>,
        guar: Option<i64>,
        mincpmpersec: Option<f64>,
        durfloors: List<'a, DurFloors<'a>>,
    }
}
