//! Lists about the device, its place and its identifiers.

use super::list;

list! {
    /// The user agent that an identifier belongs to, `atype` (section 3.2.28).
    AgentType {
        Browser = 1,
        App = 2,
        Person = 3,
    }
}

list! {
    /// The network of `connectiontype` (section 3.2.18).
    ConnectionType {
        Unknown = 0,
        Ethernet = 1,
        Wifi = 2,
        Cellular = 3,
        Cellular2G = 4,
        Cellular3G = 5,
        Cellular4G = 6,
        Cellular5G = 7,
    }
}

list! {
    /// The device of `devicetype` (section 3.2.18).
    DeviceType {
        MobileOrTablet = 1,
        PersonalComputer = 2,
        ConnectedTv = 3,
        Phone = 4,
        Tablet = 5,
        ConnectedDevice = 6,
        SetTopBox = 7,
        OutOfHome = 8,
    }
}

list! {
    /// Who located the address, `ipservice` (section 3.2.19).
    IpLocationService {
        Ip2Location = 1,
        Neustar = 2,
        MaxMind = 3,
        NetAcuity = 4,
    }
}

list! {
    /// How a place became known, `geo.type` (section 3.2.19).
    LocationType {
        Gps = 1,
        IpAddress = 2,
        UserProvided = 3,
    }
}

list! {
    /// How an identifier was matched, `mm` (section 3.2.27).
    MatchMethod {
        Unknown = 0,
        NoMatch = 1,
        CookieSync = 2,
        Authenticated = 3,
        Observed = 4,
        Inference = 5,
    }
}

list! {
    /// Where a structured user agent comes from, `sua.source` (section 3.2.29).
    UserAgentSource {
        Unspecified = 0,
        LowEntropyHints = 1,
        HighEntropyHints = 2,
        UserAgentString = 3,
    }
}
