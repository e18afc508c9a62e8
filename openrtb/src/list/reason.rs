//! Lists of reasons: why nobody bid and why a bid lost.

use super::list;

list! {
    /// Why there is no bid, `nbr` (`AdCOM`, no-bid reason codes).
    NoBidReason {
        Unknown = 0,
        Technical = 1,
        InvalidRequest = 2,
        Crawler = 3,
        NonHuman = 4,
        ProxyAddress = 5,
        UnsupportedDevice = 6,
        BlockedInventory = 7,
        UnmatchedUser = 8,
        DailyUserCap = 9,
        DailyDomainCap = 10,
        AdsTxtUnavailable = 11,
        AdsTxtViolation = 12,
        AdsCertUnavailable = 13,
        AdsCertViolation = 14,
        InsufficientTime = 15,
        IncompleteSupplyChain = 16,
        BlockedSupplyChainNode = 17,
    }
}

list! {
    /// Why a bid lost, `${AUCTION_LOSS}` (`AdCOM`, loss reason codes).
    LossReason {
        Won = 0,
        InternalError = 1,
        OpportunityExpired = 2,
        InvalidResponse = 3,
        InvalidDealId = 4,
        InvalidAuctionId = 5,
        InvalidAdvertiserDomain = 6,
        MissingMarkup = 7,
        MissingCreativeId = 8,
        MissingPrice = 9,
        MissingApprovalData = 10,
        BelowFloor = 100,
        BelowDealFloor = 101,
        Outbid = 102,
        LostToDeal = 103,
        SeatBlocked = 104,
        CreativeGeneral = 200,
        CreativePending = 201,
        CreativeDisapproved = 202,
        SizeNotAllowed = 203,
        FormatNotAllowed = 204,
        AdvertiserExcluded = 205,
        StoreIdExcluded = 206,
        NotSecure = 207,
        LanguageExcluded = 208,
        CategoryExcluded = 209,
        AttributeExcluded = 210,
        AdTypeExcluded = 211,
        AnimationTooLong = 212,
        NotInDeal = 213,
        SkAdNetwork = 214,
        BundleExcluded = 215,
    }
}
