//! One call to an address that came with a bid.

use super::{Device, Notice};
use crate::catalog::Endpoint;
use crate::link::call::{self, Failure, Outgoing, Reading};
use crate::link::hosts::Hosts;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};

/// Sends one notice.
pub(super) async fn attempt(hosts: &Hosts, notice: &Notice) -> Result<(), Failure> {
    let reply = get(
        hosts,
        &notice.url,
        notice.allow_private,
        notice.device.as_ref(),
    )
    .await?;
    if matches!(reply.status, 200 | 204) {
        Ok(())
    } else {
        Err(Failure::Broken)
    }
}

/// Calls an address that came with a bid, and reads its answer.
pub(in crate::link) async fn get(
    hosts: &Hosts,
    url: &str,
    allow_private: bool,
    device: Option<&Device>,
) -> Result<call::Reply, Failure> {
    let endpoint = Endpoint::parse(url, allow_private).map_err(|_| Failure::Forbidden)?;
    let path: Uri = endpoint.path.parse().map_err(|_| Failure::Forbidden)?;
    let headers = headers(device);
    let outgoing = || {
        Ok(Outgoing {
            method: Method::GET,
            path: path.clone(),
            headers: headers.clone(),
            body: Bytes::new(),
        })
    };
    let reading = Reading {
        limit: crate::link::MAX_ANSWER,
        gzip: false,
        timing: None,
    };
    call::call(&hosts.pool(endpoint), outgoing, reading).await
}

/// The device in the headers that servers who speak for one use.
fn headers(device: Option<&Device>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: Option<&String>| {
        // What is no header value is left out: it came from a browser.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(device) = device {
        add("x-forwarded-for", device.ip.as_ref());
        add("x-device-ip", device.ip.as_ref());
        add("x-device-user-agent", device.user_agent.as_ref());
    }
    headers
}
