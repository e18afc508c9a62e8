//! Whether a video or audio fits its imp: length and protocol.
//!
//! Only what the bid says is looked at: markup that leads elsewhere says nothing.

use super::ensure;
use crate::catalog::Format;
use crate::lot::Lot;
use crate::screen::Loss;
use openrtb::response::Bid;

/// What an imp asks of what is played.
struct Asked<'a> {
    least: Option<i64>,
    most: Option<i64>,
    exact: &'a [i64],
    protocols: &'a [i64],
}

/// Checks the length, which a pod bounds as a whole, and the protocol.
pub(super) fn check(lot: &Lot<'_>, format: Format, bid: &Bid<'_>) -> Result<(), Loss> {
    let asked = match format {
        Format::Banner | Format::Native => return Ok(()),
        Format::Video => lot.imp.video.map(|video| Asked {
            least: video.minduration,
            most: video.maxduration.or(video.poddur),
            exact: video.rqddurs.items(),
            protocols: video.protocols.items(),
        }),
        Format::Audio => lot.imp.audio.map(|audio| Asked {
            least: audio.minduration,
            most: audio.maxduration.or(audio.poddur),
            exact: audio.rqddurs.items(),
            protocols: audio.protocols.items(),
        }),
    };
    let Some(asked) = asked else {
        return Ok(());
    };
    if let Some(length) = bid.dur.filter(|length| *length > 0) {
        let within = asked.least.is_none_or(|least| length >= least)
            && asked.most.is_none_or(|most| length <= most);
        let required = asked.exact.is_empty() || asked.exact.contains(&length);
        ensure(within && required, Loss::Duration)?;
    }
    let listed = |protocol: i64| asked.protocols.contains(&protocol);
    let fits = asked.protocols.is_empty() || bid.protocol.is_none_or(listed);
    ensure(fits, Loss::Protocol)
}
