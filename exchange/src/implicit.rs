//! Implicit fields: what the HTTP request says that the bid request leaves out.
//!
//! Only what is absent is filled: the address and the browser of the person where the caller is
//! no server, the page from `Referer`, and the wish of `Sec-GPC`. Addresses that say nothing to
//! a partner, that is private ones, are dropped wherever they come from. Cost: a few comparisons.

use bumpalo::Bump;
use openrtb::merge::with_text;
use openrtb::request::{Device, Regs, Site};
use openrtb::{BidRequest, Value};
use std::net::IpAddr;

/// What the HTTP request says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http<'b> {
    /// The caller's public address, as proxies told it or as the socket has it.
    pub ip: Option<IpAddr>,
    /// `User-Agent`.
    pub user_agent: Option<&'b str>,
    /// `Referer`.
    pub referer: Option<&'b str>,
    /// Whether `Sec-GPC` is 1.
    pub gpc: bool,
}

/// The longest `Referer` or `User-Agent` that is taken over, in bytes.
const MAX_HEADER: usize = 2_048;

/// Fills what the request leaves out, into `arena`. Of a `server` only the wish is taken.
pub fn fill<'a>(
    mut request: BidRequest<'a>,
    http: Http<'a>,
    server: bool,
    arena: &'a Bump,
) -> BidRequest<'a> {
    request.device = device(request.device, http, server, arena);
    if !server && let Some(page) = page(http) {
        request.site = site(&request, page, arena);
    }
    if http.gpc {
        request.regs = Some(arena.alloc(refused(request.regs, arena)));
    }
    request
}

/// The page that the caller stands on, where it tells.
pub fn page(http: Http<'_>) -> Option<&str> {
    http.referer.filter(|page| {
        page.len() <= MAX_HEADER && (page.starts_with("https://") || page.starts_with("http://"))
    })
}

fn device<'a>(
    stated: Option<&'a Device<'a>>,
    http: Http<'a>,
    server: bool,
    arena: &'a Bump,
) -> Option<&'a Device<'a>> {
    let mut device = stated.copied().unwrap_or_default();
    device.ip = device.ip.filter(|ip| is_told(ip));
    device.ipv6 = device.ipv6.filter(|ip| is_told(ip));
    if !server {
        if device.ip.is_none() && device.ipv6.is_none() {
            match http.ip.filter(|ip| !is_private(*ip)) {
                Some(ip @ IpAddr::V4(_)) => device.ip = Some(arena.alloc_str(&ip.to_string())),
                Some(ip @ IpAddr::V6(_)) => device.ipv6 = Some(arena.alloc_str(&ip.to_string())),
                None => {}
            }
        }
        let agent = http.user_agent.filter(|ua| ua.len() <= MAX_HEADER);
        let structured = device.sua.is_some();
        device.ua = device.ua.or(agent.filter(|_| !structured));
    }
    if stated.copied().unwrap_or_default() == device {
        return stated;
    }
    Some(arena.alloc(device))
}

/// The site with the page; a request of an application or a screen has none.
fn site<'a>(request: &BidRequest<'a>, page: &'a str, arena: &'a Bump) -> Option<&'a Site<'a>> {
    if request.app.is_some() || request.dooh.is_some() {
        return request.site;
    }
    let site = request.site.copied().unwrap_or_default();
    if site.page.is_some() {
        return request.site;
    }
    Some(arena.alloc(Site {
        page: Some(page),
        ..site
    }))
}

/// The regulations with the refusal of sale, unless the request has said something of its own.
fn refused<'a>(regs: Option<&'a Regs<'a>>, arena: &'a Bump) -> Regs<'a> {
    let mut regs = regs.copied().unwrap_or_default();
    let stated = regs.ext.and_then(|ext: Value<'_>| ext.get("gpc"));
    if stated.is_none() {
        regs.ext = Some(with_text(regs.ext, "gpc", "1", arena));
    }
    regs
}

/// Whether an address is one that partners are told; what is no address is passed on, since
/// some publishers truncate theirs in their own way.
fn is_told(ip: &str) -> bool {
    ip.parse().map_or(!ip.is_empty(), |ip| !is_private(ip))
}

/// Whether an address belongs to no one on the internet: private, local or shared (RFC 1918,
/// 6598, 3927, 4193). Addresses of documentation are told, they harm nobody.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
                || a >= 224
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private(v4.into()),
            None => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openrtb::{Encode, Keep, Limits, Scratch};

    fn filled(json: &str, http: Http<'_>, server: bool) -> serde_json::Value {
        let (mut scratch, arena) = (Scratch::default(), Bump::new());
        let limits = Limits::default();
        let request = scratch.decode(json.as_bytes(), limits, Keep::All).unwrap();
        let mut out = Vec::new();
        fill(request, http, server, &arena).encode(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    const BROWSER: Http<'static> = Http {
        ip: Some(IpAddr::V4(std::net::Ipv4Addr::new(81, 2, 69, 160))),
        user_agent: Some("Mozilla/5.0"),
        referer: Some("https://news.example/a"),
        gpc: true,
    };

    #[test]
    fn a_browser_fills_what_is_absent() {
        let request = filled(r#"{"id":"1","regs":{"ext":{"x":1}}}"#, BROWSER, false);
        assert_eq!(request["device"]["ip"], "81.2.69.160");
        assert_eq!(request["device"]["ua"], "Mozilla/5.0");
        assert_eq!(request["site"]["page"], "https://news.example/a");
        let ext = serde_json::json!({ "x": 1, "gpc": "1" });
        assert_eq!(request["regs"]["ext"], ext);
    }

    #[test]
    fn what_the_request_says_stays() {
        let json = r#"{"id":"1","device":{"ua":"own","ipv6":"2a00::1"},"site":{"page":"own"},
            "regs":{"ext":{"gpc":"0"}}}"#;
        let request = filled(json, BROWSER, false);
        assert_eq!(
            request,
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
        let app = filled(r#"{"app":{"bundle":"x"}}"#, BROWSER, false);
        assert_eq!(app.get("site"), None);
    }

    #[test]
    fn a_server_says_nothing_of_a_person() {
        let request = filled(r#"{"id":"1"}"#, BROWSER, true);
        assert_eq!((request.get("device"), request.get("site")), (None, None));
        assert_eq!(request["regs"]["ext"]["gpc"], "1");
    }

    #[test]
    fn private_addresses_are_dropped() {
        for ip in [
            "10.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "fd00::1",
            "::1",
            "",
        ] {
            let json = format!(r#"{{"device":{{"ip":"{ip}","os":"x"}}}}"#);
            let request = filled(&json, Http::default(), false);
            assert_eq!(request["device"], serde_json::json!({ "os": "x" }), "{ip}");
        }
        let local = Http {
            ip: Some("192.168.0.1".parse().unwrap()),
            ..Http::default()
        };
        assert_eq!(filled("{}", local, false).get("device"), None);
        let kept = filled(r#"{"device":{"ip":"1.2.3.x"}}"#, Http::default(), false);
        assert_eq!(kept["device"]["ip"], "1.2.3.x");
    }

    #[test]
    fn an_odd_referer_is_no_page() {
        for referer in ["about:blank", "", "javascript:x"] {
            let http = Http {
                referer: Some(referer),
                ..Http::default()
            };
            assert_eq!(filled("{}", http, false).get("site"), None);
        }
    }
}
