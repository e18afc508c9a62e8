use crate::object::object;

object! {
    /// A floor for a range of durations, in seconds (section 3.2.35).
    DurFloors {
        mindur: Option<i64>,
        maxdur: Option<i64>,
        bidfloor: Option<f64>,
    }
}
