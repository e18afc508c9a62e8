//! How the impression came here, who may buy it, and who sees it.

use super::Reading;
use super::signal::Signal;
use openrtb::request::SupplyChain;

pub(super) fn exchange(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    signal.text(reading.exchange);
}

pub(super) fn seat(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    reading
        .request
        .wseat
        .items()
        .iter()
        .for_each(|seat| signal.text(seat));
}

fn chain<'a>(reading: &Reading<'_, 'a>) -> Option<&'a SupplyChain<'a>> {
    reading.request.source?.schain
}

pub(super) fn nodes(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(chain) = chain(reading) {
        signal.number(chain.nodes.len() as i64, 8);
    }
}

pub(super) fn complete(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    signal.flag(chain(reading).and_then(|chain| chain.complete), false);
}

pub(super) fn member(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    for node in chain(reading)
        .map(|chain| chain.nodes.items())
        .unwrap_or_default()
    {
        let Some(system) = node.asi else { continue };
        signal.lower(system);
        signal.lower_joined(&[system.trim(), "/", node.sid.unwrap_or_default().trim()]);
    }
}

pub(super) fn audience(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if reading.identified {
        signal.present();
    }
    for segment in reading.segments.as_slice() {
        signal.segment(*segment);
    }
}
