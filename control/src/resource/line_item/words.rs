//! Values of targeting that are words for codes of the `AdCOM` lists.

use super::rules::Term;
use crate::model::choices;
use bidder::catalog::Value;

/// Declares words with the codes that requests carry for them.
macro_rules! codes {
    ($(
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $( $(#[doc = $about:literal])+ $variant:ident = $word:literal [$($code:literal),+] ),+ $(,)?
        }
    )+) => { $(
        choices! {
            $(#[doc = $doc])+
            pub enum $name { $( $(#[doc = $about])+ $variant = $word ),+ }
        }

        impl $name {
            fn codes(self) -> &'static [i64] {
                match self { $( Self::$variant => &[$($code),+] ),+ }
            }
        }

        impl Term for $name {
            fn values(&self, values: &mut Vec<Value>) {
                values.extend(self.codes().iter().copied().map(Value::Code));
            }

            fn covers(&self, other: &Self) -> bool {
                other.codes().iter().all(|code| self.codes().contains(code))
            }

            fn all(terms: &[Self]) -> bool {
                [$( Self::$variant ),+].iter().all(|word| terms.contains(word))
            }
        }
    )+ };
}

codes! {
    /// A kind of device.
    pub enum Device {
        /// A phone. "Mobile or tablet" without further word (1) counts as one, which it nearly
        /// always is.
        Phone = "phone" [1, 4],
        /// A tablet.
        Tablet = "tablet" [5],
        /// A desktop or laptop computer.
        Desktop = "desktop" [2],
        /// A television set or a device connected to one.
        Tv = "tv" [3, 6, 7],
        /// A screen outside the home.
        OutOfHome = "out_of_home" [8],
    }

    /// A connection to the network.
    pub enum Connection {
        /// Wired.
        Ethernet = "ethernet" [1],
        /// Wireless at home or at work.
        Wifi = "wifi" [2],
        /// Cellular of any generation, said or not.
        Cellular = "cellular" [3, 4, 5, 6, 7],
        /// Second generation.
        Second = "2g" [4],
        /// Third generation.
        Third = "3g" [5],
        /// Fourth generation.
        Fourth = "4g" [6],
        /// Fifth generation.
        Fifth = "5g" [7],
    }

    /// A position on the screen.
    pub enum Position {
        /// Seen without scrolling.
        AboveTheFold = "above_the_fold" [1],
        /// Always in the same place.
        Locked = "locked" [2],
        /// Seen after scrolling.
        BelowTheFold = "below_the_fold" [3],
        /// At the top of the page.
        Header = "header" [4],
        /// At the end of the page.
        Footer = "footer" [5],
        /// At the side.
        Sidebar = "sidebar" [6],
        /// The whole screen.
        FullScreen = "full_screen" [7],
    }

    /// How suitable content is for whom.
    pub enum MediaRating {
        /// For everyone.
        All = "all_audiences" [1],
        /// From twelve years on.
        Twelve = "over_12" [2],
        /// For adults.
        Mature = "mature" [3],
    }

    /// What kind of content it is.
    pub enum Context {
        /// Something to watch.
        Video = "video" [1],
        /// Something to play.
        Game = "game" [2],
        /// Something to listen to.
        Music = "music" [3],
        /// An application.
        Application = "application" [4],
        /// Something to read.
        Text = "text" [5],
        /// Something else.
        Other = "other" [6],
        /// The sender does not know.
        Unknown = "unknown" [7],
    }

    /// How a video stands to the content around it.
    pub enum Plcmt {
        /// Within content that the user came to watch, with sound.
        InStream = "instream" [1],
        /// Within content that accompanies a page.
        Accompanying = "accompanying_content" [2],
        /// Between two pages.
        Interstitial = "interstitial" [3],
        /// Without any video content.
        Standalone = "standalone" [4],
    }

    /// Whether an advertisement stops the content.
    pub enum Linearity {
        /// It does.
        Linear = "linear" [1],
        /// It lies over it.
        NonLinear = "non_linear" [2],
    }

    /// How playback begins.
    pub enum Playback {
        /// With the page, with sound.
        PageLoadSoundOn = "page_load_sound_on" [1],
        /// With the page, silently.
        PageLoadSoundOff = "page_load_sound_off" [2],
        /// On a click.
        Click = "click" [3],
        /// Under the pointer.
        MouseOver = "mouse_over" [4],
        /// Once visible, with sound.
        ViewportSoundOn = "viewport_sound_on" [5],
        /// Once visible, silently.
        ViewportSoundOff = "viewport_sound_off" [6],
        /// After another one.
        Continuous = "continuous" [7],
    }

    /// When it plays.
    pub enum Start {
        /// Before the content.
        Before = "pre_roll" [0],
        /// Within the content.
        Within = "mid_roll" [-1],
        /// After the content.
        After = "post_roll" [-2],
    }

    /// A kind of audio.
    pub enum Feed {
        /// A music service.
        Music = "music" [1],
        /// A radio station.
        Broadcast = "broadcast" [2],
        /// A podcast.
        Podcast = "podcast" [3],
    }
}

impl Term for bool {
    fn values(&self, values: &mut Vec<Value>) {
        values.push(Value::Code(i64::from(*self)));
    }

    fn all(terms: &[Self]) -> bool {
        terms.contains(&true) && terms.contains(&false)
    }
}
