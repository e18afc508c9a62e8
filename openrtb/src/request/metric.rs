use crate::object::object;

object! {
    /// A measured property of the placement (section 3.2.5).
    Metric {
        kind "type": Option<&'a str>,
        value: Option<f64>,
        vendor: Option<&'a str>,
    }
}
