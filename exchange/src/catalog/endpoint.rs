//! A partner's address, taken apart when it is configured so that nothing of a request can ever
//! reach the host, port or path of a call.

use super::Invalid;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Where a partner listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: Arc<str>,
    /// TCP port.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: Arc<str>,
    /// The `Host` header.
    pub authority: Arc<str>,
    /// Whether calls are encrypted (`https`).
    pub tls: bool,
    /// Whether loopback, private and link-local addresses may be called.
    pub allow_private: bool,
}

impl Endpoint {
    /// Takes `http[s]://host[:port][/path][?query]` apart.
    ///
    /// # Errors
    /// An [`Invalid`] at field `endpoint`: another scheme, user information, a fragment, a
    /// character that does not belong into a URL, or a private address that is not allowed.
    pub fn parse(url: &str, allow_private: bool) -> Result<Self, Invalid> {
        let fault = |problem: String| Invalid::new("endpoint", problem);
        let plain = url.strip_prefix("http://").map(|rest| (rest, false));
        let secure = url.strip_prefix("https://").map(|rest| (rest, true));
        let (rest, tls) = plain.or(secure).ok_or_else(|| {
            fault(format!(
                "expected http://host:port/path or https://…, found {url:?}"
            ))
        })?;
        if let Some(odd) = rest
            .chars()
            .find(|char| !char.is_ascii_graphic() || *char == '#')
        {
            return Err(fault(format!("{odd:?} is not allowed in an endpoint")));
        }
        let cut = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(cut);
        if authority.contains('@') {
            return Err(fault(
                "user information is not allowed in an endpoint".to_owned(),
            ));
        }
        let (host, port) = split_port(authority, if tls { 443 } else { 80 })
            .ok_or_else(|| fault(format!("the port of {authority:?} is not 1 to 65535")))?;
        let unbracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = unbracketed.unwrap_or(host);
        if host.is_empty() || (unbracketed.is_none() && host.contains(['[', ']', ':'])) {
            return Err(fault(format!("{authority:?} names no host")));
        }
        let literal = host.parse::<IpAddr>();
        if unbracketed.is_some() && literal.is_err() {
            return Err(fault(format!("{host:?} is no address")));
        }
        if !allow_private && (literal.is_ok_and(is_private) || host == "localhost") {
            let problem = format!("{host} is a private address, which needs allow_private");
            return Err(fault(problem));
        }
        let path = match path.as_bytes().first() {
            None => "/".to_owned(),
            Some(b'?') => format!("/{path}"),
            Some(_) => path.to_owned(),
        };
        Ok(Self {
            host: host.into(),
            port,
            path: path.into(),
            authority: authority.into(),
            tls,
            allow_private,
        })
    }
}

fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let port = port.parse().ok().filter(|port| *port != 0)?;
            Some((host, port))
        }
        _ => Some((authority, default)),
    }
}

/// Whether an address is not on the public Internet: private, loopback, link-local, shared,
/// multicast, unspecified or reserved.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19))
                || a >= 224
        }
        IpAddr::V6(v6) => embedded(v6).map_or_else(|| !is_global(v6), is_private),
    }
}

/// The IPv4 address inside a mapped, translated or 6to4 IPv6 address.
fn embedded(v6: Ipv6Addr) -> Option<IpAddr> {
    let segments = v6.segments();
    let octets = v6.octets();
    let v4 = |at: usize| IpAddr::from([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(v4(12)),
        [0x2002, ..] => Some(v4(2)),
        _ => None,
    }
}

fn is_global(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    // 2000::/3 is all that is assigned; documentation and benchmarking lie inside it.
    first & 0xe000 == 0x2000 && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_taken_apart() {
        let parse = |url: &str| {
            let endpoint = Endpoint::parse(url, true).unwrap();
            (
                endpoint.host.to_string(),
                endpoint.port,
                endpoint.path.to_string(),
            )
        };
        let of = |host: &str, port: u16, path: &str| (host.to_owned(), port, path.to_owned());
        assert_eq!(
            parse("http://127.0.0.1:9001/bid"),
            of("127.0.0.1", 9001, "/bid")
        );
        assert_eq!(parse("http://dsp.example"), of("dsp.example", 80, "/"));
        assert_eq!(
            parse("http://dsp.example?a=1"),
            of("dsp.example", 80, "/?a=1")
        );
        assert_eq!(parse("http://[::1]:81/x?y"), of("::1", 81, "/x?y"));
        assert_eq!(parse("https://dsp.example/b"), of("dsp.example", 443, "/b"));
        assert!(Endpoint::parse("https://dsp.example/", true).unwrap().tls);
    }

    #[test]
    fn what_is_no_endpoint_is_refused_by_name() {
        for (url, word) in [
            ("ftp://dsp.example/", "expected http://"),
            ("http://a@dsp.example/", "user information"),
            ("http://dsp.example:0/", "port"),
            ("http://dsp.example:99999/", "port"),
            ("http:///bid", "names no host"),
            ("http://dsp.example/a b", "' '"),
            ("http://dsp.example/\r\nX: y", "'\\r'"),
            ("http://dsp.example/#x", "'#'"),
            ("http://[dsp]/", "no address"),
            ("http://::1/", "names no host"),
        ] {
            let fault = Endpoint::parse(url, true).unwrap_err();
            assert_eq!(fault.field, "endpoint");
            assert!(fault.problem.contains(word), "{url}: {fault}");
        }
    }

    #[test]
    fn private_addresses_need_permission() {
        for host in [
            "localhost",
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "[::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::]",
        ] {
            let url = format!("http://{host}/");
            assert!(Endpoint::parse(&url, false).is_err(), "{host}");
            assert!(Endpoint::parse(&url, true).is_ok(), "{host}");
        }
        for host in [
            "8.8.8.8",
            "[2606:4700::1111]",
            "[::ffff:8.8.8.8]",
            "dsp.example",
        ] {
            assert!(
                Endpoint::parse(&format!("http://{host}/"), false).is_ok(),
                "{host}"
            );
        }
    }
}
