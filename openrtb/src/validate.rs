//! What the specification requires of a request, beyond the types of its fields.
//!
//! A request that passes can be bid on; one that does not is answered 400 with the field named
//! (section 2.4). Rules of single sellers, such as "a site needs an id or a page", are not here.

use crate::fault::{Fault, Problem};
use crate::request::{
    Audio, Banner, BidRequest, Device, DurFloors, Format, Geo, Imp, Pmp, Regs, User, Video,
};
use crate::{List, Value, native};

type Checked = Result<(), Fault>;

/// Checks a whole request.
///
/// # Errors
/// The first rule that is broken, with the path of its field.
pub fn request(request: &BidRequest<'_>) -> Checked {
    required("id", request.id)?;
    if request.imp.is_empty() {
        return Err(Fault::at("imp", Problem::Missing));
    }
    for (index, one) in request.imp.iter().enumerate() {
        imp(one).map_err(|fault| fault.within_index(index).within("imp"))?;
        let same = request.imp[..index]
            .iter()
            .position(|other| other.id == one.id);
        if let Some(other) = same {
            let what = format!("same id as imp[{other}], ids of a request are unique");
            return Err(Fault::at(format!("imp[{index}].id"), Problem::Value(what)));
        }
    }
    one_inventory(request)?;
    exclusive("wseat", &request.wseat, "bseat", &request.bseat)?;
    exclusive("acat", &request.acat, "bcat", &request.bcat)?;
    exclusive("wlang", &request.wlang, "wlangb", &request.wlangb)?;
    not_negative("tmax", request.tmax)?;
    request
        .device
        .map_or(Ok(()), device)
        .map_err(|fault| fault.within("device"))?;
    request
        .user
        .map_or(Ok(()), user)
        .map_err(|fault| fault.within("user"))?;
    request
        .regs
        .map_or(Ok(()), regs)
        .map_err(|fault| fault.within("regs"))
}

fn one_inventory(request: &BidRequest<'_>) -> Checked {
    let given = [
        ("site", request.site.is_some()),
        ("app", request.app.is_some()),
        ("dooh", request.dooh.is_some()),
    ];
    let mut names = given
        .iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| *name);
    match (names.next(), names.next()) {
        (Some(first), Some(second)) => Err(Fault::at(
            second,
            Problem::Value(format!(
                "excludes {first}: a request has one of site, app, dooh"
            )),
        )),
        _ => Ok(()),
    }
}

fn imp(imp: &Imp<'_>) -> Checked {
    required("id", imp.id)?;
    if imp.banner.is_none() && imp.video.is_none() && imp.audio.is_none() && imp.native.is_none() {
        let what = "needs at least one of banner, video, audio, native".to_owned();
        return Err(Fault::here(Problem::Value(what)));
    }
    let instl = imp.instl.is_some_and(crate::Flag::is_set);
    imp.banner
        .map_or(Ok(()), |one| banner(one, instl))
        .map_err(|fault| fault.within("banner"))?;
    imp.video
        .map_or(Ok(()), video)
        .map_err(|fault| fault.within("video"))?;
    imp.audio
        .map_or(Ok(()), audio)
        .map_err(|fault| fault.within("audio"))?;
    imp.native
        .map_or(Ok(()), |one| native::validate(one.request))
        .map_err(|fault| fault.within("request").within("native"))?;
    imp.pmp
        .map_or(Ok(()), pmp)
        .map_err(|fault| fault.within("pmp"))?;
    for (index, metric) in imp.metric.iter().enumerate() {
        let within = |fault: Fault| fault.within_index(index).within("metric");
        required("type", metric.kind).map_err(within)?;
        present("value", metric.value).map_err(within)?;
    }
    if let Some(qty) = imp.qty {
        present("multiplier", qty.multiplier).map_err(|fault| fault.within("qty"))?;
    }
    price("bidfloor", imp.bidfloor)?;
    not_negative("exp", imp.exp)
}

fn banner(banner: &Banner<'_>, instl: bool) -> Checked {
    not_negative("w", banner.w)?;
    not_negative("h", banner.h)?;
    for (index, one) in banner.format.iter().enumerate() {
        format(one).map_err(|fault| fault.within_index(index).within("format"))?;
    }
    let sized = banner.w.is_some_and(|w| w > 0) && banner.h.is_some_and(|h| h > 0);
    if !sized && banner.format.is_empty() && !instl {
        let what = "has no size: give w and h, or format".to_owned();
        return Err(Fault::here(Problem::Value(what)));
    }
    Ok(())
}

fn format(format: &Format<'_>) -> Checked {
    let sizes = [("w", format.w), ("h", format.h)];
    let ratios = [
        ("wratio", format.wratio),
        ("hratio", format.hratio),
        ("wmin", format.wmin),
    ];
    for (name, value) in sizes.iter().chain(&ratios) {
        not_negative(name, *value)?;
    }
    let any = |fields: &[(&str, Option<i64>)]| fields.iter().any(|(_, value)| value.is_some());
    if any(&sizes) && any(&ratios) {
        let what = "takes {w, h} or {wmin, wratio, hratio}, not both".to_owned();
        return Err(Fault::here(Problem::Value(what)));
    }
    let (needed, what): (&[_], _) = if any(&ratios) {
        // The least width is a recommendation of the text; the ratio is the definition.
        (&ratios[..2], "a ratio needs wratio and hratio above 0")
    } else {
        (&sizes, "needs w and h above 0")
    };
    match needed.iter().find(|(_, value)| value.unwrap_or(0) == 0) {
        Some((name, _)) => Err(Fault::at(*name, Problem::Value(what.to_owned()))),
        None => Ok(()),
    }
}

fn video(video: &Video<'_>) -> Checked {
    mimes(&video.mimes)?;
    durations(video.minduration, video.maxduration, &video.rqddurs)?;
    for (name, value) in [
        ("w", video.w),
        ("h", video.h),
        ("minbitrate", video.minbitrate),
        ("maxbitrate", video.maxbitrate),
        ("maxseq", video.maxseq),
        ("poddur", video.poddur),
        ("sequence", video.sequence),
    ] {
        not_negative(name, value)?;
    }
    price("mincpmpersec", video.mincpmpersec)?;
    floors(&video.durfloors)
}

fn audio(audio: &Audio<'_>) -> Checked {
    mimes(&audio.mimes)?;
    durations(audio.minduration, audio.maxduration, &audio.rqddurs)?;
    for (name, value) in [
        ("minbitrate", audio.minbitrate),
        ("maxbitrate", audio.maxbitrate),
        ("maxseq", audio.maxseq),
        ("poddur", audio.poddur),
        ("sequence", audio.sequence),
    ] {
        not_negative(name, value)?;
    }
    price("mincpmpersec", audio.mincpmpersec)?;
    floors(&audio.durfloors)
}

fn mimes(mimes: &List<'_, &str>) -> Checked {
    if mimes.is_empty() {
        Err(Fault::at("mimes", Problem::Missing))
    } else {
        Ok(())
    }
}

fn durations(least: Option<i64>, most: Option<i64>, exact: &List<'_, i64>) -> Checked {
    not_negative("minduration", least)?;
    not_negative("maxduration", most)?;
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        let what = format!("{least} exceeds maxduration, which is {most}");
        return Err(Fault::at("minduration", Problem::Value(what)));
    }
    // Every size of slot is stated once: exactly, or by its bounds.
    if !exact.is_empty() && (least.is_some_and(|least| least > 0) || most.is_some()) {
        let what = "excludes minduration and maxduration".to_owned();
        return Err(Fault::at("rqddurs", Problem::Value(what)));
    }
    Ok(())
}

fn floors(floors: &List<'_, DurFloors<'_>>) -> Checked {
    for (index, floor) in floors.iter().enumerate() {
        let within = |fault: Fault| fault.within_index(index).within("durfloors");
        not_negative("mindur", floor.mindur).map_err(within)?;
        not_negative("maxdur", floor.maxdur).map_err(within)?;
        price("bidfloor", floor.bidfloor).map_err(within)?;
    }
    Ok(())
}

fn pmp(pmp: &Pmp<'_>) -> Checked {
    for (index, deal) in pmp.deals.iter().enumerate() {
        let within = |fault: Fault| fault.within_index(index).within("deals");
        required("id", deal.id).map_err(within)?;
        price("bidfloor", deal.bidfloor).map_err(within)?;
        floors(&deal.durfloors).map_err(within)?;
    }
    Ok(())
}

fn device(device: &Device<'_>) -> Checked {
    not_negative("w", device.w)?;
    not_negative("h", device.h)?;
    not_negative("ppi", device.ppi)?;
    device
        .geo
        .map_or(Ok(()), geo)
        .map_err(|fault| fault.within("geo"))
}

fn user(user: &User<'_>) -> Checked {
    object_ext(user.ext)?;
    user.geo
        .map_or(Ok(()), geo)
        .map_err(|fault| fault.within("geo"))
}

fn geo(geo: &Geo<'_>) -> Checked {
    not_negative("accuracy", geo.accuracy)
}

fn regs(regs: &Regs<'_>) -> Checked {
    object_ext(regs.ext)?;
    for (name, flag) in [("gdpr", regs.gdpr), ("coppa", regs.coppa)] {
        if let Some(flag) = flag
            && !(0..=1).contains(&flag.0)
        {
            let what = format!("expected 0 or 1, found {}", flag.0);
            return Err(Fault::at(name, Problem::Value(what)));
        }
    }
    Ok(())
}

/// Where older traffic keeps fields that we need, an `ext` that is no object hides them.
fn object_ext(ext: Option<Value<'_>>) -> Checked {
    match ext {
        Some(ext) if !ext.is_object() => Err(Fault::at(
            "ext",
            Problem::Type {
                expected: "an object",
                found: ext.kind(),
            },
        )),
        _ => Ok(()),
    }
}

fn required(name: &str, text: Option<&str>) -> Checked {
    if text.is_none_or(str::is_empty) {
        Err(Fault::at(name, Problem::Missing))
    } else {
        Ok(())
    }
}

fn present(name: &str, value: Option<f64>) -> Checked {
    if value.is_none() {
        Err(Fault::at(name, Problem::Missing))
    } else {
        Ok(())
    }
}

fn not_negative(name: &str, value: Option<i64>) -> Checked {
    match value {
        Some(value) if value < 0 => {
            let what = format!("expected 0 or more, found {value}");
            Err(Fault::at(name, Problem::Value(what)))
        }
        _ => Ok(()),
    }
}

fn price(name: &str, value: Option<f64>) -> Checked {
    match value {
        Some(value) if value < 0.0 => {
            let what = format!("expected a price of 0 or more, found {value}");
            Err(Fault::at(name, Problem::Value(what)))
        }
        _ => Ok(()),
    }
}

fn exclusive<T, U>(one: &str, first: &List<'_, T>, other: &str, second: &List<'_, U>) -> Checked {
    if first.is_empty() || second.is_empty() {
        return Ok(());
    }
    Err(Fault::at(
        one,
        Problem::Value(format!("excludes {other}: give one of the two")),
    ))
}
