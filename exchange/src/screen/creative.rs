//! Whether a bid's creative may be shown.

mod playback;

use super::Loss;
use crate::catalog::Format;
use crate::lot::{Auction, Lot, formats};
use crate::market::{Buyer, Seller};
use openrtb::BidRequest;
use openrtb::list::CategoryTaxonomy;
use openrtb::request::{Banner, Deal, Format as Size};
use openrtb::response::Bid;
use openrtb::taxonomy::{CONTENT_1, family};

/// Checks markup, review, format, size, advertiser, category, attributes and security, in this order.
/// Markup that is `awaited` is not missed yet.
pub(super) fn check(
    auction: &Auction<'_>,
    lot: &Lot<'_>,
    (buyer, deal): (&Buyer, Option<&Deal<'_>>),
    bid: &Bid<'_>,
    awaited: bool,
) -> Result<(), Loss> {
    let publisher = &auction.seller.publisher;
    let request = &auction.request;
    let markup = bid
        .adm
        .filter(|adm| !adm.trim().is_empty())
        .or(awaited.then_some(""))
        .ok_or(Loss::NoMarkup)?;
    ensure(markup.len() <= publisher.max_markup, Loss::MarkupSize)?;
    let named = bid.crid.is_some_and(|crid| !crid.is_empty());
    ensure(named || !publisher.requires_creative_id, Loss::NoCreativeId)?;
    reviewed(auction.seller, &buyer.partner.id, bid.crid)?;
    let format = format(lot, bid, markup)?;
    if let (Format::Banner, Some(banner)) = (format, lot.imp.banner) {
        ensure(fits(banner, bid.w, bid.h), Loss::Size)?;
    }
    playback::check(lot, format, bid, markup)?;
    ensure(is_allowed_language(request, bid), Loss::Language)?;
    let blocked = request.badv.items().iter().copied();
    let blocked = blocked.chain(publisher.blocked_advertisers.iter().map(|domain| &**domain));
    for advertiser in blocked {
        let hit = bid
            .adomain
            .iter()
            .any(|domain| is_domain_of(domain, advertiser));
        ensure(!hit, Loss::Advertiser)?;
    }
    if let Some(deal) = deal.filter(|deal| !deal.wadomain.is_empty()) {
        let admitted = |domain: &&str| deal.wadomain.iter().any(|one| is_domain_of(domain, one));
        ensure(bid.adomain.iter().any(admitted), Loss::NotInDeal)?;
    }
    let categories = auction.market.categories();
    let own = family(bid.cattax.map_or(CONTENT_1, CategoryTaxonomy::code));
    let asked = family(request.cattax.map_or(CONTENT_1, CategoryTaxonomy::code));
    if !request.acat.is_empty() {
        let listed = |one: &str| request.acat.contains(&one);
        let allowed = |cat: &&str| categories.is_allowed((own, cat), asked, listed);
        // What names no category cannot show that it is allowed.
        let shown = !bid.cat.is_empty() && bid.cat.iter().all(allowed);
        ensure(shown, Loss::Category)?;
    }
    let (by_request, by_publisher) = (&request.bcat, &publisher.blocked_categories);
    for cat in bid.cat {
        let listed = |one: &str| request.bcat.contains(&one);
        let hit = !by_request.is_empty() && categories.is_blocked((own, cat), asked, listed);
        ensure(!hit, Loss::Category)?;
        let listed = |one: &str| by_publisher.iter().any(|known| **known == *one);
        let hit = !by_publisher.is_empty() && categories.is_blocked((own, cat), CONTENT_1, listed);
        ensure(!hit, Loss::Category)?;
    }
    let battr = match format {
        Format::Banner => lot.imp.banner.map(|banner| banner.battr),
        Format::Video => lot.imp.video.map(|video| video.battr),
        Format::Audio => lot.imp.audio.map(|audio| audio.battr),
        Format::Native => lot.imp.native.map(|native| native.battr),
    };
    let battr = battr.unwrap_or_default();
    ensure(
        !bid.attr.iter().any(|attribute| battr.contains(attribute)),
        Loss::Attribute,
    )?;
    ensure(
        bid.bundle
            .is_none_or(|bundle| !request.bapp.contains(&bundle)),
        Loss::Bundle,
    )?;
    let secure = lot.imp.secure.is_some_and(openrtb::Flag::is_set);
    ensure(!secure || !is_insecure(markup), Loss::Insecure)
}

/// Whether the publisher lets the creative be shown, as far as it has said.
fn reviewed(seller: &Seller, partner: &str, creative: Option<&str>) -> Result<(), Loss> {
    match creative.and_then(|creative| seller.review(partner, creative.trim())) {
        Some(approved) => ensure(approved, Loss::Disapproved),
        None => ensure(!seller.publisher.requires_approval, Loss::PendingApproval),
    }
}

/// Whether the creative is in a language that the request allows, where it says its language.
fn is_allowed_language(request: &BidRequest<'_>, bid: &Bid<'_>) -> bool {
    let among = |allowed: &[&str], own: Option<&str>| {
        let listed = |own: &str| allowed.iter().any(|one| one.eq_ignore_ascii_case(own));
        allowed.is_empty() || own.is_none_or(listed)
    };
    among(&request.wlang, bid.language) && among(&request.wlangb, bid.langb)
}

fn ensure(holds: bool, loss: Loss) -> Result<(), Loss> {
    if holds { Ok(()) } else { Err(loss) }
}

/// The bid's format: as it says in `mtype`, else the imp's only one, else by its markup.
pub(crate) fn format(lot: &Lot<'_>, bid: &Bid<'_>, markup: &str) -> Result<Format, Loss> {
    let stated = match bid.mtype {
        Some(1) => Some(Format::Banner),
        Some(2) => Some(Format::Video),
        Some(3) => Some(Format::Audio),
        Some(4) => Some(Format::Native),
        Some(_) => return Err(Loss::Format),
        None => None,
    };
    let takes = |format: Format| formats(lot.imp).any(|taken| taken == format);
    if let Some(format) = stated {
        return if takes(format) {
            Ok(format)
        } else {
            Err(Loss::Format)
        };
    }
    let mut taken = formats(lot.imp);
    if let (Some(only), None) = (taken.next(), taken.next()) {
        return Ok(only);
    }
    let start = markup.trim_start();
    let guess = if start.starts_with("<VAST") || start.starts_with("<?xml") {
        if takes(Format::Video) {
            Format::Video
        } else {
            Format::Audio
        }
    } else if start.starts_with('{') {
        Format::Native
    } else {
        Format::Banner
    };
    if takes(guess) {
        Ok(guess)
    } else {
        Err(Loss::Format)
    }
}

/// Whether a banner takes a size. A bid without a size takes the imp's.
fn fits(banner: &Banner<'_>, w: Option<i64>, h: Option<i64>) -> bool {
    let (Some(w), Some(h)) = (w.filter(|w| *w > 0), h.filter(|h| *h > 0)) else {
        return true;
    };
    let format = |size: &Size<'_>| match (size.wratio, size.hratio) {
        (Some(wide), Some(high)) => {
            i128::from(w) * i128::from(high) == i128::from(h) * i128::from(wide)
                && size.wmin.is_none_or(|least| w >= least)
        }
        _ => size.w == Some(w) && size.h == Some(h),
    };
    let own = banner.w.zip(banner.h);
    if banner.format.is_empty() && own.is_none() {
        // A full-screen imp without a size.
        return true;
    }
    banner.format.iter().any(format) || own == Some((w, h))
}

/// Whether `domain` is `parent` or below it.
fn is_domain_of(domain: &str, parent: &str) -> bool {
    let (domain, parent) = (domain.as_bytes(), parent.as_bytes());
    let Some(cut) = domain.len().checked_sub(parent.len()) else {
        return false;
    };
    !parent.is_empty()
        && domain[cut..].eq_ignore_ascii_case(parent)
        && (cut == 0 || domain[cut - 1] == b'.')
}

/// Whether markup loads something over plain HTTP. Links that a user must click do not count.
fn is_insecure(markup: &str) -> bool {
    const PLAIN: &str = "http://";
    let before = |at: usize| markup[..at].trim_end_matches(['"', '\'', '\\', ' ']);
    markup.match_indices(PLAIN).any(|(at, _)| {
        let lead = before(at);
        lead.ends_with("src=")
            || lead.ends_with("url(")
            || lead.ends_with("<![CDATA[") && loads(lead)
            || lead.ends_with('>') && loads(lead)
    })
}

/// Whether the VAST element that is open at the end of `lead` loads its address.
fn loads(lead: &str) -> bool {
    let lead = lead.trim_end_matches("<![CDATA[").trim_end();
    let Some(open) = lead.rfind('<') else {
        return false;
    };
    let element = &lead[open + 1..];
    [
        "MediaFile",
        "Impression",
        "VASTAdTagURI",
        "Tracking",
        "StaticResource",
        "JavaScriptResource",
    ]
    .iter()
    .any(|name| element.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_blocks_what_is_below_it() {
        assert!(is_domain_of("acme.example", "acme.example"));
        assert!(is_domain_of("Shop.ACME.example", "acme.example"));
        assert!(!is_domain_of("notacme.example", "acme.example"));
        assert!(!is_domain_of("acme.example", "shop.acme.example"));
        assert!(!is_domain_of("acme.example", ""));
    }

    #[test]
    fn only_what_is_loaded_must_be_secure() {
        for plain in [
            r#"<img src="http://a.example/x.gif">"#,
            "<script src=http://a.example/x.js></script>",
            "<div style='background:url(http://a.example/x)'>",
            "<VAST><MediaFile type=\"video/mp4\"><![CDATA[http://a.example/x]]></MediaFile>",
            "<VAST><Impression>http://a.example/x</Impression>",
        ] {
            assert!(is_insecure(plain), "{plain}");
        }
        for fine in [
            r#"<a href="http://a.example/"><img src="https://a.example/x.gif"></a>"#,
            r#"<svg xmlns="http://www.w3.org/2000/svg"></svg>"#,
            "<VAST><ClickThrough><![CDATA[http://a.example/x]]></ClickThrough>",
        ] {
            assert!(!is_insecure(fine), "{fine}");
        }
    }
}
