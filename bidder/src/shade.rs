//! Shading: how much of the value is bid, where the winner pays what it bids.

use ledger::Cpm;

/// The price to bid for an impression that is worth `value` and sold from `floor` on, both in
/// the same currency; `None` where the floor is out of reach.
///
/// Contract for whatever answers here: the price is at least `floor` and at most `value`, so that
/// a shaded bid is never lost to a floor that the value reaches, and never dearer than it is
/// worth. A fixed price is bid as it stands.
pub(crate) fn price(value: Cpm, floor: Cpm) -> Option<Cpm> {
    (value >= floor).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_contract_holds(value in 1i64..10_000_000, floor in 0i64..10_000_000) {
            match price(Cpm(value), Cpm(floor)) {
                Some(price) => prop_assert!(price >= Cpm(floor) && price <= Cpm(value)),
                None => prop_assert!(floor > value),
            }
        }
    }
}
