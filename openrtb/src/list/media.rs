//! Lists about placements and creatives (sections 3.2.6 to 3.2.8 and 4.2.3).

use super::list;

list! {
    /// An interface between creative and player, `api` and `apis`.
    ApiFramework {
        Vpaid1 = 1,
        Vpaid2 = 2,
        Mraid1 = 3,
        Ormma = 4,
        Mraid2 = 5,
        Mraid3 = 6,
        Omid1 = 7,
        Simid10 = 8,
        Simid11 = 9,
    }
}

list! {
    /// A kind of banner that may be blocked, `btype` (section 3.2.6).
    BannerType {
        TextAd = 1,
        BannerAd = 2,
        JavaScriptAd = 3,
        Iframe = 4,
    }
}

list! {
    /// The markup of a companion, `companiontype`.
    CompanionType {
        Static = 1,
        Html = 2,
        Iframe = 3,
    }
}

list! {
    /// A property of a creative, `attr` and `battr`.
    CreativeAttribute {
        AudioAutoplay = 1,
        AudioUserInitiated = 2,
        ExpandableAutomatic = 3,
        ExpandableClick = 4,
        ExpandableRollover = 5,
        InBannerVideoAutoplay = 6,
        InBannerVideoUserInitiated = 7,
        Pop = 8,
        Provocative = 9,
        Flashing = 10,
        Surveys = 11,
        TextOnly = 12,
        UserInteractive = 13,
        DialogStyle = 14,
        AudioButton = 15,
        SkipButton = 16,
        AdobeFlash = 17,
        Responsive = 18,
    }
}

list! {
    /// How media are delivered, `delivery`.
    DeliveryMethod {
        Streaming = 1,
        Progressive = 2,
        Download = 3,
    }
}

list! {
    /// Where an expandable creative expands to, `expdir` (section 3.2.6).
    ExpandDirection {
        Left = 1,
        Right = 2,
        Up = 3,
        Down = 4,
        FullScreen = 5,
        Minimize = 6,
    }
}

list! {
    /// The feed of an audio placement, `feed` (section 3.2.8).
    FeedType {
        Music = 1,
        Broadcast = 2,
        Podcast = 3,
    }
}

list! {
    /// Whether an advertisement takes the content's place or covers it, `linearity`.
    Linearity {
        Linear = 1,
        NonLinear = 2,
    }
}

list! {
    /// Where a placement is on the screen, `pos`.
    PlacementPosition {
        Unknown = 0,
        AboveTheFold = 1,
        Locked = 2,
        BelowTheFold = 3,
        Header = 4,
        Footer = 5,
        Sidebar = 6,
        FullScreen = 7,
    }
}

list! {
    /// What ends the playback, `playbackend` (section 3.2.7).
    PlaybackEnd {
        Completion = 1,
        LeavingViewport = 2,
        FloatingCompletion = 3,
    }
}

list! {
    /// How the playback begins, `playbackmethod` (section 3.2.7).
    PlaybackMethod {
        PageLoadSoundOn = 1,
        PageLoadSoundOff = 2,
        Click = 3,
        MouseOver = 4,
        ViewportSoundOn = 5,
        ViewportSoundOff = 6,
        Continuous = 7,
    }
}

list! {
    /// What must not repeat within a pod, `poddedupe` (section 3.2.7).
    PodDedupe {
        Advertiser = 1,
        Category = 2,
        Creative = 3,
        MediaFile = 4,
        Nothing = 5,
    }
}

list! {
    /// The place of a pod within the content, `podseq`.
    PodSequence {
        Last = -1,
        Any = 0,
        First = 1,
    }
}

list! {
    /// The format that a player understands, `protocols` and `protocol`.
    Protocol {
        Vast1 = 1,
        Vast2 = 2,
        Vast3 = 3,
        Vast1Wrapper = 4,
        Vast2Wrapper = 5,
        Vast3Wrapper = 6,
        Vast4 = 7,
        Vast4Wrapper = 8,
        Daast1 = 9,
        Daast1Wrapper = 10,
        Vast41 = 11,
        Vast41Wrapper = 12,
        Vast42 = 13,
        Vast42Wrapper = 14,
        Vast43 = 15,
        Vast43Wrapper = 16,
    }
}

list! {
    /// Who inserts the advertisement, `ssai` (section 3.2.4).
    ServerInsertion {
        Unknown = 0,
        ClientSide = 1,
        AssetsServerSide = 2,
        AllServerSide = 3,
    }
}

list! {
    /// The place of a slot within its pod, `slotinpod`.
    SlotInPod {
        Last = -1,
        Any = 0,
        First = 1,
        FirstOrLast = 2,
    }
}

list! {
    /// When a placement starts, `startdelay`; `Other` above 0 is mid-roll after so many seconds.
    StartDelay {
        PreRoll = 0,
        MidRoll = -1,
        PostRoll = -2,
    }
}

list! {
    /// The video placement of the deprecated field `placement` (section 3.2.7).
    VideoPlacement {
        InStream = 1,
        InBanner = 2,
        InArticle = 3,
        InFeed = 4,
        Interstitial = 5,
    }
}

list! {
    /// The video placement of `plcmt` (section 3.2.7).
    VideoPlcmt {
        InStream = 1,
        AccompanyingContent = 2,
        Interstitial = 3,
        Standalone = 4,
    }
}

list! {
    /// How loudness is normalised, `nvol` (section 3.2.8).
    VolumeNormalization {
        Off = 0,
        Average = 1,
        Peak = 2,
        Loudness = 3,
        Custom = 4,
    }
}
