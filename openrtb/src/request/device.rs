use crate::Flag;
use crate::list::ConnectionType;
use crate::object::object;
use crate::request::{Geo, UserAgent};

object! {
    /// The device of the user (section 3.2.18).
    Device {
        geo: Option<&'a Geo<'a>>,
        dnt: Option<Flag>,
        lmt: Option<Flag>,
        ua: Option<&'a str>,
        sua: Option<&'a UserAgent<'a>>,
        ip: Option<&'a str>,
        ipv6: Option<&'a str>,
        devicetype: Option<i64>,
        make: Option<&'a str>,
        model: Option<&'a str>,
        os: Option<&'a str>,
        osv: Option<&'a str>,
        hwv: Option<&'a str>,
        h: Option<i64>,
        w: Option<i64>,
        ppi: Option<i64>,
        pxratio: Option<f64>,
        js: Option<Flag>,
        geofetch: Option<Flag>,
        flashver: Option<&'a str>,
        language: Option<&'a str>,
        langb: Option<&'a str>,
        carrier: Option<&'a str>,
        mccmnc: Option<&'a str>,
        connectiontype: Option<ConnectionType>,
        ifa: Option<&'a str>,
        didsha1: Option<&'a str>,
        didmd5: Option<&'a str>,
        dpidsha1: Option<&'a str>,
        dpidmd5: Option<&'a str>,
        macsha1: Option<&'a str>,
        macmd5: Option<&'a str>,
    }
}
