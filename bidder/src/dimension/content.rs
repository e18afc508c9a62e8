//! What it is shown beside: categories, keywords, the content object, venues.

use super::Reading;
use super::device::primary;
use super::signal::Signal;
use openrtb::List;
use openrtb::list::CategoryTaxonomy;
use openrtb::request::Content;

/// The taxonomy where a request names none (sections 3.2.13 to 3.2.16).
const CONTENT_1: i64 = 1;
/// The taxonomy of genres where a request names none (section 3.2.16).
const GENRES: i64 = 9;
/// The taxonomy of venues where a request names none (section 3.2.26).
const VENUES: i64 = 1;
/// Most categories or keywords of one field that are looked at.
const MOST: usize = 64;

/// `6:483`, or in the first taxonomy, whose ids say what is above them, `IAB2-3` and `IAB2`.
fn in_taxonomy(taxonomy: i64, id: &str, signal: &mut Signal<'_>) {
    let id = id.trim();
    if id.is_empty() {
        return;
    }
    if taxonomy == CONTENT_1 {
        signal.text(id);
        if let Some((above, _)) = id.split_once('-') {
            signal.text(above);
        }
    } else {
        let mut number = itoa::Buffer::new();
        signal.joined(&[number.format(taxonomy), ":", id]);
    }
}

fn categories(taxonomy: Option<CategoryTaxonomy>, ids: List<'_, &str>, signal: &mut Signal<'_>) {
    let taxonomy = taxonomy.map_or(CONTENT_1, CategoryTaxonomy::code);
    for id in ids.items().iter().take(MOST) {
        in_taxonomy(taxonomy, id, signal);
    }
}

fn content<'a>(reading: &Reading<'_, 'a>) -> Option<&'a Content<'a>> {
    let request = reading.request;
    let site = request.site.and_then(|site| site.content);
    let app = || request.app.and_then(|app| app.content);
    let dooh = || request.dooh.and_then(|dooh| dooh.content);
    site.or_else(app).or_else(dooh)
}

pub(super) fn category(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(site) = reading.request.site {
        categories(site.cattax, site.cat, signal);
    }
    if let Some(app) = reading.request.app {
        categories(app.cattax, app.cat, signal);
    }
    if let Some(content) = content(reading) {
        categories(content.cattax, content.cat, signal);
    }
    section(reading, signal);
    page_category(reading, signal);
}

pub(super) fn section(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(site) = reading.request.site {
        categories(site.cattax, site.sectioncat, signal);
    }
    if let Some(app) = reading.request.app {
        categories(app.cattax, app.sectioncat, signal);
    }
}

pub(super) fn page_category(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(site) = reading.request.site {
        categories(site.cattax, site.pagecat, signal);
    }
    if let Some(app) = reading.request.app {
        categories(app.cattax, app.pagecat, signal);
    }
}

pub(super) fn keyword(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let request = reading.request;
    let mut add = |text: Option<&str>, list: List<'_, &str>| {
        let split = text.unwrap_or_default().split(',').take(MOST);
        split.for_each(|keyword| signal.lower(keyword));
        let listed = list.items().iter().take(MOST);
        listed.for_each(|keyword| signal.lower(keyword));
    };
    if let Some(site) = request.site {
        add(site.keywords, site.kwarray);
    }
    if let Some(app) = request.app {
        add(app.keywords, app.kwarray);
    }
    if let Some(dooh) = request.dooh {
        add(dooh.keywords, List::default());
    }
    if let Some(content) = content(reading) {
        add(content.keywords, content.kwarray);
    }
}

pub(super) fn genre(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let Some(content) = content(reading) else {
        return;
    };
    let taxonomy = content.gtax.map_or(GENRES, CategoryTaxonomy::code);
    let mut number = itoa::Buffer::new();
    let taxonomy = number.format(taxonomy);
    for id in content.genres.items().iter().take(MOST) {
        if !id.trim().is_empty() {
            signal.lower_joined(&[taxonomy, ":", id.trim()]);
        }
    }
    let named = content.genre.unwrap_or_default().split(',').take(MOST);
    named.for_each(|genre| signal.lower(genre));
}

pub(super) fn rating(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let rating = content(reading).and_then(|content| content.contentrating);
    signal.lower(rating.unwrap_or_default());
}

pub(super) fn media_rating(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(rating) = content(reading).and_then(|content| content.qagmediarating) {
        signal.code(rating.code());
    }
}

pub(super) fn livestream(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let live = content(reading).and_then(|content| content.livestream);
    signal.flag(live, false);
}

pub(super) fn series(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let series = content(reading).and_then(|content| content.series);
    signal.lower(series.unwrap_or_default());
}

pub(super) fn channel(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(channel) = content(reading).and_then(|content| content.channel) {
        let names = [channel.id, channel.name, channel.domain];
        names
            .into_iter()
            .flatten()
            .for_each(|name| signal.lower(name));
    }
}

pub(super) fn network(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(network) = content(reading).and_then(|content| content.network) {
        let names = [network.id, network.name, network.domain];
        names
            .into_iter()
            .flatten()
            .for_each(|name| signal.lower(name));
    }
}

pub(super) fn length(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(seconds) = content(reading).and_then(|content| content.len) {
        signal.number(seconds, 16);
    }
}

pub(super) fn language(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(content) = content(reading) {
        primary(content.language.or(content.langb), signal);
    }
}

pub(super) fn context(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(context) = content(reading).and_then(|content| content.context) {
        signal.code(context.code());
    }
}

pub(super) fn venue(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some(dooh) = reading.request.dooh {
        let taxonomy = dooh.venuetypetax.unwrap_or(VENUES);
        let mut number = itoa::Buffer::new();
        let taxonomy = number.format(taxonomy);
        for id in dooh.venuetype.items().iter().take(MOST) {
            if !id.trim().is_empty() {
                signal.joined(&[taxonomy, ":", id.trim()]);
            }
        }
    }
}
