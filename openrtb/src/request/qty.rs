use crate::list::MultiplierSource;
use crate::object::object;

object! {
    /// How many impressions one showing counts for (section 3.2.31).
    Qty {
        multiplier: Option<f64>,
        sourcetype: Option<MultiplierSource>,
        vendor: Option<&'a str>,
    }
}
