use crate::object::object;

object! {
    /// A location (section 3.2.19).
    Geo {
        lat: Option<f64>,
        lon: Option<f64>,
        kind "type": Option<i64>,
        accuracy: Option<i64>,
        lastfix: Option<i64>,
        ipservice: Option<i64>,
        country: Option<&'a str>,
        region: Option<&'a str>,
        regionfips104: Option<&'a str>,
        metro: Option<&'a str>,
        city: Option<&'a str>,
        zip: Option<&'a str>,
        utcoffset: Option<i64>,
    }
}
