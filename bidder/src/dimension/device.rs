//! What the user holds: device, software, network.

use super::signal::Signal;
use super::{Reading, agent};
use crate::catalog::Version;
use openrtb::list::ConnectionType;
use openrtb::request::{BrandVersion, Device};

fn device<'a>(reading: &Reading<'_, 'a>) -> Option<&'a Device<'a>> {
    reading.request.device
}

pub(super) fn kind(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(kind) = device(reading).and_then(|device| device.devicetype) {
        signal.code(kind);
    }
}

pub(super) fn make(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let make = device(reading).and_then(|device| device.make);
    signal.lower(make.unwrap_or_default());
}

pub(super) fn model(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let device = device(reading);
    let hinted = device
        .and_then(|device| device.sua)
        .and_then(|sua| sua.model);
    let hinted = hinted.filter(|model| !model.trim().is_empty());
    let model = hinted.or_else(|| device.and_then(|device| device.model));
    signal.lower(model.unwrap_or_default());
}

fn brand(one: &BrandVersion<'_>, signal: &mut Signal<'_>) {
    let parts = one.version.items().iter().copied();
    // Some senders leave the version in one piece.
    let version = match one.version.items() {
        [whole] => Version::lowest(whole),
        _ => Version::of_parts(parts),
    };
    signal.software(one.brand.unwrap_or_default(), version);
}

pub(super) fn operating_system(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let Some(device) = device(reading) else {
        return;
    };
    let platform = device.sua.and_then(|sua| sua.platform);
    let named = |name: Option<&str>| name.is_some_and(|name| !name.trim().is_empty());
    if let Some(platform) = platform.filter(|platform| named(platform.brand)) {
        brand(platform, signal);
    } else if let Some(os) = device.os.filter(|os| named(Some(os))) {
        signal.software(os, device.osv.and_then(Version::lowest));
    } else if let Some((os, version)) = device.ua.and_then(agent::system) {
        signal.software(os, version);
    }
}

pub(super) fn browser(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let Some(device) = device(reading) else {
        return;
    };
    let hinted = device
        .sua
        .map(|sua| sua.browsers.items())
        .unwrap_or_default();
    for one in hinted {
        brand(one, signal);
    }
    if hinted.is_empty()
        && let Some((name, version)) = device.ua.and_then(agent::browser)
    {
        signal.software(name, version);
    }
}

pub(super) fn carrier(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let Some(device) = device(reading) else {
        return;
    };
    signal.lower(device.carrier.unwrap_or_default());
    signal.lower(device.mccmnc.unwrap_or_default());
}

pub(super) fn connection(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let connection = device(reading).and_then(|device| device.connectiontype);
    if let Some(known) = connection.filter(|one| *one != ConnectionType::Unknown) {
        signal.code(known.code());
    }
}

pub(super) fn language(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let Some(device) = device(reading) else {
        return;
    };
    primary(device.language.or(device.langb), signal);
}

/// The language of a tag: `en` of `en-US` or `en_us`.
pub(super) fn primary(tag: Option<&str>, signal: &mut Signal<'_>) {
    let tag = tag.unwrap_or_default();
    signal.lower(tag.split(['-', '_']).next().unwrap_or_default());
}
