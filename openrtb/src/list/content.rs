//! Lists about the content around the impression (section 3.2.16).

use super::list;

list! {
    /// The type of content, `context` (`AdCOM`, content contexts).
    ContentContext {
        Video = 1,
        Game = 2,
        Music = 3,
        Application = 4,
        Text = 5,
        OtherKind = 6,
        Unknown = 7,
    }
}

list! {
    /// The rating of `qagmediarating` (`AdCOM`, media ratings).
    MediaRating {
        AllAudiences = 1,
        EveryoneOver12 = 2,
        MatureAudiences = 3,
    }
}

list! {
    /// The quality of `prodq` (`AdCOM`, production qualities).
    ProductionQuality {
        Unknown = 0,
        Professional = 1,
        Prosumer = 2,
        UserGenerated = 3,
    }
}
