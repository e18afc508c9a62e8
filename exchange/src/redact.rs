//! Redaction: what partners may not see of the person.
//!
//! This is the seam for consent, which decides per partner and is not built yet. Already here:
//! - `regs.coppa = 1`, a child: every id of the user and device, the birth year, gender,
//!   keywords and segments, `ext` of user and device where ids hide, the precise place, and the
//!   last part of the IP address are removed;
//! - `device.lmt = 1` or `device.dnt = 1`, a wish not to be tracked: the advertising id, the
//!   hashed hardware ids and the precise place are removed.

use bumpalo::Bump;
use openrtb::request::{Device, Geo, User};
use openrtb::{BidRequest, Flag};
use std::net::IpAddr;

/// Removes from the request what no partner may see.
pub fn redact<'a>(mut request: BidRequest<'a>, arena: &'a Bump) -> BidRequest<'a> {
    let is_set = |flag: Option<Flag>| flag.is_some_and(Flag::is_set);
    let child = request.regs.is_some_and(|regs| is_set(regs.coppa));
    let untracked = request
        .device
        .is_some_and(|device| is_set(device.lmt) || is_set(device.dnt));
    if !child && !untracked {
        return request;
    }
    request.device = request.device.map(|device| {
        let mut device = without_ids(device, arena);
        if child {
            device.ip = device.ip.and_then(|ip| truncated(ip, arena));
            device.ipv6 = device.ipv6.and_then(|ip| truncated(ip, arena));
            device.ext = None;
            device.unknown = &[];
        }
        &*arena.alloc(device)
    });
    request.user = request.user.map(|user| {
        let geo = user.geo.map(|geo| coarse(geo, arena));
        let redacted = if child {
            User {
                geo,
                consent: user.consent,
                ..User::default()
            }
        } else {
            User { geo, ..*user }
        };
        &*arena.alloc(redacted)
    });
    request
}

/// The network of an address: 24 bits of IPv4, 48 bits of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::from((u32::from(v4) & 0xffff_ff00).to_be_bytes()),
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) & (!0 << 80)).to_be_bytes()),
    }
}

fn without_ids<'a>(device: &Device<'a>, arena: &'a Bump) -> Device<'a> {
    Device {
        geo: device.geo.map(|geo| coarse(geo, arena)),
        ifa: None,
        didsha1: None,
        didmd5: None,
        dpidsha1: None,
        dpidmd5: None,
        macsha1: None,
        macmd5: None,
        ..*device
    }
}

/// The place without coordinates and postal code.
fn coarse<'a>(geo: &Geo<'a>, arena: &'a Bump) -> &'a Geo<'a> {
    arena.alloc(Geo {
        lat: None,
        lon: None,
        accuracy: None,
        lastfix: None,
        zip: None,
        ext: None,
        unknown: &[],
        ..*geo
    })
}

/// The network of an address; nothing of what is no address.
fn truncated<'a>(ip: &str, arena: &'a Bump) -> Option<&'a str> {
    Some(arena.alloc_str(&network(ip.parse().ok()?).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openrtb::{Encode, Keep, Limits, Scratch};

    fn redacted(regs: &str, flags: &str) -> String {
        let json = format!(
            r#"{{"id":"1","imp":[],"device":{{{flags}"ifa":"ID1","didsha1":"ID2","ip":"9.8.7.6",
            "ipv6":"2001:db8:1:2::3","ua":"x","ext":{{"ifv":"ID3"}},"udid":"ID4","geo":{{
            "country":"FRA","lat":48.1,"lon":2.2,"zip":"75001"}}}},"user":{{"id":"ID5",
            "buyeruid":"ID6","yob":2015,"eids":[{{"source":"s","uids":[{{"id":"ID7"}}]}}],
            "ext":{{"eids":[{{"source":"s","uids":[{{"id":"ID7"}}]}}]}},"uid":"ID8","geo":{{
            "lat":48.1}}}},"regs":{{{regs}}}}}"#
        );
        let (mut scratch, arena) = (Scratch::default(), Bump::new());
        let request: BidRequest<'_> = scratch
            .decode(json.as_bytes(), Limits::default(), Keep::All)
            .unwrap();
        let mut out = Vec::new();
        redact(request, &arena).encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn of_a_child_nothing_identifying_leaves() {
        let sent = redacted(r#""coppa":1"#, "");
        for gone in ["ID", "48.1", "75001", "2015", "9.8.7.6", "::3"] {
            assert!(!sent.contains(gone), "{gone} in {sent}");
        }
        for kept in ["FRA", "9.8.7.0", "2001:db8:1::", r#""ua":"x""#] {
            assert!(sent.contains(kept), "{kept} in {sent}");
        }
    }

    #[test]
    fn a_wish_not_to_be_tracked_removes_device_ids_and_the_precise_place() {
        for flag in [r#""lmt":1,"#, r#""dnt":1,"#] {
            let sent = redacted("", flag);
            for gone in ["ID1", "ID2", "48.1", "75001"] {
                assert!(!sent.contains(gone), "{gone} in {sent}");
            }
            assert!(sent.contains("ID5") && sent.contains("9.8.7.6"));
        }
    }

    #[test]
    fn nothing_is_removed_without_a_reason() {
        let sent = redacted("", r#""lmt":0,"#);
        assert!(
            (1..=8).all(|id| sent.contains(&format!("ID{id}"))),
            "{sent}"
        );
    }
}
