//! Fields that OpenRTB 2.5 traffic still carries under `ext` and that 2.6 promoted. The 2.6
//! place wins where both are given; the copy under `ext` stays as it came, for older partners.

use crate::decode::{Context, Cursor, Field};
use crate::request::{Imp, Regs, Source, User};
use crate::{Fault, Flag, Value};

/// `regs.ext.{gdpr,us_privacy,gpp,gpp_sid}`.
pub(super) fn regs<'a>(regs: &mut Regs<'a>, context: &Context<'a>) -> Result<(), Fault> {
    promote(&mut regs.gdpr, regs.ext, &["gdpr"], context)?;
    promote(&mut regs.us_privacy, regs.ext, &["us_privacy"], context)?;
    promote(&mut regs.gpp, regs.ext, &["gpp"], context)?;
    promote(&mut regs.gpp_sid, regs.ext, &["gpp_sid"], context)
}

/// `user.ext.{consent,eids}`.
pub(super) fn user<'a>(user: &mut User<'a>, context: &Context<'a>) -> Result<(), Fault> {
    promote(&mut user.consent, user.ext, &["consent"], context)?;
    promote(&mut user.eids, user.ext, &["eids"], context)
}

/// `source.ext.schain`.
pub(super) fn source<'a>(source: &mut Source<'a>, context: &Context<'a>) -> Result<(), Fault> {
    promote(&mut source.schain, source.ext, &["schain"], context)
}

/// `imp.ext.rwdd`, and where Prebid put it before there was a field for it.
pub(super) fn imp<'a>(imp: &mut Imp<'a>, context: &Context<'a>) -> Result<(), Fault> {
    promote(&mut imp.rwdd, imp.ext, &["rwdd"], context)?;
    promote(
        &mut imp.rwdd,
        imp.ext,
        &["prebid", "is_rewarded_inventory"],
        context,
    )?;
    if imp.rwdd.is_none()
        && let Some(video) = imp.video.and_then(|video| video.ext)
    {
        let mut rewarded: Option<Flag> = None;
        promote(&mut rewarded, Some(video), &["rewarded"], context)
            .map_err(|fault| fault.within("video"))?;
        imp.rwdd = rewarded;
    }
    Ok(())
}

fn promote<'a, T: Field<'a> + PartialEq>(
    field: &mut T,
    ext: Option<Value<'a>>,
    path: &[&str],
    context: &Context<'a>,
) -> Result<(), Fault> {
    if *field != T::default() {
        return Ok(());
    }
    let Some(value) = path
        .iter()
        .try_fold(ext, |at, key| Some(at?.get(key)))
        .flatten()
    else {
        return Ok(());
    };
    *field = T::field(&mut Cursor::new(value.nodes(), context)).map_err(|fault| {
        let inner = path
            .iter()
            .rev()
            .fold(fault, |fault, key| fault.within(key));
        inner.within("ext")
    })?;
    Ok(())
}
