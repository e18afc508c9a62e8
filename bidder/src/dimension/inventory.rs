//! Where it is shown: domains with everything above them, bundles, publishers.

use super::Reading;
use super::signal::Signal;
use openrtb::BidRequest;

pub(super) fn inventory(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let request = reading.request;
    if let Some(bundle) = request.app.and_then(|app| app.bundle)
        && !bundle.is_empty()
    {
        signal.joined(&["/", bundle]);
    }
    let Some(site) = request.site else { return };
    let domain = site.domain.filter(|domain| !domain.is_empty());
    let host = domain.or_else(|| site.page.and_then(host));
    if let Some(host) = host {
        signal.domain(host);
    }
}

/// The host and every domain above it: `a.b.c`, `b.c`, `c`.
pub(crate) fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |domain| Some(domain.split_once('.')?.1))
        .filter(|domain| !domain.is_empty())
}

/// The host of a page's address.
fn host(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    host.split(':').next().filter(|host| !host.is_empty())
}

pub(super) fn publisher(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    signal.text(publisher_of(reading.request).unwrap_or_default());
}

/// The id of the publisher of the site, application or screen.
pub(crate) fn publisher_of<'a>(request: &BidRequest<'a>) -> Option<&'a str> {
    let site = request.site.and_then(|site| site.publisher);
    let app = || request.app.and_then(|app| app.publisher);
    let dooh = || request.dooh.and_then(|dooh| dooh.publisher);
    site.or_else(app)
        .or_else(dooh)
        .and_then(|publisher| publisher.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_pages() {
        for (page, expected) in [
            ("https://user@News.example:8443/a?b", Some("News.example")),
            ("http://news.example?x", Some("news.example")),
            ("news.example/a", None),
            ("https:///a", None),
        ] {
            assert_eq!(host(page), expected, "{page}");
        }
    }

    #[test]
    fn a_host_has_its_parents() {
        let all: Vec<_> = suffixes("a.b.c").collect();
        assert_eq!(all, ["a.b.c", "b.c", "c"]);
        assert_eq!(suffixes("").count(), 0);
        assert_eq!(suffixes("a..").collect::<Vec<_>>(), ["a..", "."]);
    }
}
