//! Lists about the sale.

use super::list;

list! {
    /// The auction type of `at` (section 3.2.1); 3, a fixed price, only for deals (section 3.2.12).
    AuctionType {
        FirstPrice = 1,
        SecondPricePlus = 2,
        FixedPrice = 3,
    }
}

list! {
    /// The taxonomy of `cattax` and `gtax` (`AdCOM`, category taxonomies).
    CategoryTaxonomy {
        Content10 = 1,
        Content20 = 2,
        AdProduct10 = 3,
        Audience11 = 4,
        Content21 = 5,
        Content22 = 6,
        Content30 = 7,
        AdProduct20 = 8,
        Content31 = 9,
    }
}

list! {
    /// The type of a bid's markup, `mtype` (section 4.2.3).
    MarkupType {
        Banner = 1,
        Video = 2,
        Audio = 3,
        Native = 4,
    }
}

list! {
    /// Who says the multiplier of `qty.sourcetype` (`AdCOM`, DOOH multiplier sources).
    MultiplierSource {
        Unknown = 0,
        MeasurementVendor = 1,
        Publisher = 2,
        Exchange = 3,
    }
}

list! {
    /// What makes a placement refresh, `reftype` (`AdCOM`, auto-refresh triggers).
    RefreshTrigger {
        Unknown = 0,
        UserAction = 1,
        Event = 2,
        Time = 3,
    }
}
