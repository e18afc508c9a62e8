//! Lists of native requests (Native 1.2, section 7).

use super::list;

list! {
    /// What a data asset says, `data.type`.
    DataAssetType {
        Sponsored = 1,
        Description = 2,
        Rating = 3,
        Likes = 4,
        Downloads = 5,
        Price = 6,
        SalePrice = 7,
        Phone = 8,
        Address = 9,
        Description2 = 10,
        DisplayUrl = 11,
        CallToAction = 12,
    }
}

list! {
    /// How an event is tracked, `methods`.
    EventMethod {
        Image = 1,
        JavaScript = 2,
    }
}

list! {
    /// The event that is tracked, `event`.
    EventType {
        Impression = 1,
        Viewable50 = 2,
        Viewable100 = 3,
        ViewableVideo50 = 4,
    }
}

list! {
    /// What an image shows, `img.type`.
    ImageAssetType {
        Icon = 1,
        Logo = 2,
        Main = 3,
    }
}

list! {
    /// The context of the placement, `context`.
    NativeContext {
        Content = 1,
        Social = 2,
        Product = 3,
    }
}

list! {
    /// The context in detail, `contextsubtype`.
    NativeContextSubtype {
        General = 10,
        Article = 11,
        Video = 12,
        Audio = 13,
        Image = 14,
        UserGenerated = 15,
        Social = 20,
        Email = 21,
        Chat = 22,
        Selling = 30,
        AppStore = 31,
        Reviews = 32,
    }
}

list! {
    /// Where the placement is, `plcmttype`.
    NativePlacement {
        InFeed = 1,
        InAtomicUnit = 2,
        OutsideCore = 3,
        RecommendationWidget = 4,
    }
}
