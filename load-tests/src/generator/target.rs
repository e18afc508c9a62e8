//! Where load goes: loopback addresses and nothing else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// A URL on a loopback address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    address: SocketAddr,
    path: String,
}

/// Why a URL is no target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Not of the form that is understood.
    #[error("{url:?} is not a target; the form is http://ADDRESS:PORT/PATH")]
    Form {
        /// What was given.
        url: String,
    },
    /// A machine that is not this one.
    #[error("{host} is not a loopback address; load goes to 127.0.0.1, [::1] or localhost only")]
    NotLoopback {
        /// The host of the URL.
        host: String,
    },
}

impl Target {
    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Path and query, from the first slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same server under another path.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        Self {
            address: self.address,
            path: path.to_owned(),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let form = || TargetError::Form {
            url: url.to_owned(),
        };
        let rest = url.strip_prefix("http://").ok_or_else(form)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        {
            return Err(form());
        }
        let (host, port) = authority.rsplit_once(':').ok_or_else(form)?;
        let port: u16 = port.parse().map_err(|_| form())?;
        let address = SocketAddr::new(loopback(host)?, port);
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        Ok(Self { address, path })
    }
}

/// Names are not resolved: a name server could send the load anywhere.
fn loopback(host: &str) -> Result<IpAddr, TargetError> {
    if host == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let address: Option<IpAddr> = bare.parse().ok();
    match address {
        Some(address) if address.is_loopback() => Ok(address),
        Some(_) | None => Err(TargetError::NotLoopback {
            host: host.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_urls_are_targets() {
        for (url, address, path) in [
            (
                "http://127.0.0.1:8080/openrtb2/auction",
                "127.0.0.1:8080",
                "/openrtb2/auction",
            ),
            ("http://127.9.9.9:1", "127.9.9.9:1", "/"),
            ("http://[::1]:80/a?b=c", "[::1]:80", "/a?b=c"),
            ("http://localhost:9000/", "127.0.0.1:9000", "/"),
        ] {
            let target: Target = url.parse().unwrap();
            assert_eq!(
                (target.address(), target.path()),
                (address.parse().unwrap(), path)
            );
        }
    }

    #[test]
    fn nothing_else_is() {
        for url in [
            "http://10.0.0.1:80/",
            "http://example.com:80/",
            "http://0.0.0.0:80/",
        ] {
            let refused = url.parse::<Target>();
            assert_eq!(
                refused.unwrap_err().to_string().matches("loopback").count(),
                1,
                "{url}"
            );
        }
        for url in [
            "127.0.0.1:80",
            "https://127.0.0.1:80/",
            "http://127.0.0.1/",
            "http://127.0.0.1:80/ x",
        ] {
            assert_eq!(
                url.parse::<Target>(),
                Err(TargetError::Form {
                    url: url.to_owned()
                })
            );
        }
    }
}
