//! What VAST and native answers are made of.

use crate::model::{Landing, Markup, Mime, Name, Whole, choices, model};

model! {
    /// A media file.
    pub struct MediaFile {
        /// Its address.
        pub url: Landing,
        /// Its MIME type.
        pub mime: Mime,
        /// Width in pixels, of a video.
        pub w: Option<Whole<1, 16_384>> = None,
        /// Height in pixels, of a video.
        pub h: Option<Whole<1, 16_384>> = None,
        /// Kilobits per second.
        pub bitrate_kbps: Option<Whole<1, 1_000_000>> = None,
    }
}

choices! {
    /// What a native image shows.
    pub enum ImageKind {
        /// An icon.
        Icon = "icon",
        /// A logo.
        Logo = "logo",
        /// The main image.
        Main = "main",
    }
}

choices! {
    /// What a native text says.
    pub enum DataKind {
        /// Who sponsors it.
        Sponsored = "sponsored",
        /// A description.
        Description = "description",
        /// A rating.
        Rating = "rating",
        /// How many like it.
        Likes = "likes",
        /// How often it was downloaded.
        Downloads = "downloads",
        /// The price.
        Price = "price",
        /// The reduced price.
        SalePrice = "sale_price",
        /// A telephone number.
        Phone = "phone",
        /// A postal address.
        Address = "address",
        /// A further description.
        Description2 = "description2",
        /// The address that is shown.
        DisplayUrl = "display_url",
        /// What to do.
        CallToAction = "call_to_action",
    }
}

model! {
    /// A native image.
    pub struct NativeImage {
        /// What it shows.
        pub kind: ImageKind,
        /// Its address.
        pub url: Landing,
        /// Width in pixels.
        pub w: Whole<1, 16_384>,
        /// Height in pixels.
        pub h: Whole<1, 16_384>,
        /// Its MIME type, for places that list what they take.
        pub mime: Option<Mime> = None,
    }
}

model! {
    /// A native text.
    pub struct NativeData {
        /// What it says.
        pub kind: DataKind,
        /// The text.
        pub value: Name,
    }
}

model! {
    /// A native video.
    pub struct NativeVideo {
        /// VAST.
        pub vast: Markup,
        /// MIME type of its media, where the VAST does not say it.
        pub mime: Option<Mime> = None,
        /// Length in seconds, where the VAST does not say it.
        pub duration_s: Option<Whole<1, 86_400>> = None,
    }
}

model! {
    /// What native answers are made of. Of a kind several may be given: the longest text that
    /// is not too long, or the largest image that fits, is shown.
    pub struct Assets {
        /// Titles.
        pub titles: Vec<Name> = Vec::new(),
        /// Images.
        pub images: Vec<NativeImage> = Vec::new(),
        /// Other texts.
        pub data: Vec<NativeData> = Vec::new(),
        /// A video.
        pub video: Option<NativeVideo> = None,
        /// The page that says why it is shown.
        pub privacy: Option<Landing> = None,
    }
}
