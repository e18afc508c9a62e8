//! Who the node trades with, from documents into what bidder and exchange read.

use crate::keys;
use anyhow::{Context, Result};
use bidder::Exchange;
use bidder::exchange::{Billable, NoBidStyle, SeatUse};
use bidder::notice::price::Form;
use control::compile::Seller;
use control::resource::exchange::{self as resource, BillableEvent, PriceForm};
use control::resource::partner::LOCAL_BIDDER;
use exchange::catalog::Route;
use std::path::Path;
use std::sync::Arc;

/// This node's bidder as a partner of this node's exchange.
pub(super) fn own_bidder(exchange: &str) -> exchange::catalog::Partner {
    exchange::catalog::Partner {
        id: LOCAL_BIDDER.into(),
        name: format!("the bidder of {exchange}").into(),
        route: Route::Local,
        openrtb: openrtb::VERSION.into(),
        max_qps: 0,
        max_connections: 1,
        timeout_ms: 1_000,
        seats: Vec::new(),
        formats: Vec::new(),
        sizes: Vec::new(),
        countries: Vec::new(),
        excluded_countries: Vec::new(),
        treatment: exchange::catalog::Treatment::default(),
    }
}

/// The settings of an exchange that calls the bidder.
pub(crate) fn caller(seller: &Seller, price: Form) -> Exchange {
    let settings = &seller.settings;
    Exchange {
        billable: match settings.billable_event {
            BillableEvent::Burl => Billable::Burl,
            BillableEvent::Win => Billable::Win,
            BillableEvent::Impression => Billable::Impression,
        },
        reservation_s: settings.expiry_s.0,
        tmax_margin_ms: settings.tmax_margin_ms.0,
        most_markup: settings
            .max_markup_bytes
            .map_or(usize::MAX, |most| most.0 as usize),
        no_bid: match settings.no_bid {
            resource::NoBidStyle::Empty => NoBidStyle::Empty,
            resource::NoBidStyle::Body => NoBidStyle::Body,
        },
        seat: settings.seat.as_ref().map_or(SeatUse::Advertiser, |seat| {
            SeatUse::Single((&*seat.0).into())
        }),
        price,
        ..Exchange::new(&seller.id, settings.currency.0)
    }
}

/// How an exchange writes prices, with its keys where it seals them.
pub(super) fn price_form(seller: &Seller, price_keys: Option<&Path>) -> Result<Form> {
    Ok(match seller.settings.price {
        PriceForm::Cpm => Form::Cpm,
        PriceForm::CpmMicros => Form::CpmMicros,
        PriceForm::PerImpression => Form::PerImpression,
        PriceForm::Sealed => {
            let folder = price_keys.context("the configuration has no bidder.price_keys")?;
            Form::Sealed(Some(Arc::new(keys::price_seal(folder, &seller.id)?)))
        }
    })
}
