//! Stored requests: what a publisher keeps with us once, so that its requests need not say it
//! each time.
//!
//! A placement keeps an imp, a publisher the rest of a request. Where a request names the
//! placement, in `imp.tagid` or as `imp.ext.prebid.storedrequest.id`, both are completed by JSON
//! merge patch (RFC 7386) with the request as the patch: what the request says wins, and its
//! `null` removes. Cost: nothing where nothing is stored; else the request is read twice more
//! and written once.

use crate::intake::Refusal;
use crate::market::{Market, Seller};
use openrtb::encode::Object;
use openrtb::merge::merge;
use openrtb::request::Imp;
use openrtb::{BidRequest, Encode, Fault, Keep, Limits, Scratch, Value};
use std::sync::Arc;

/// The longest stored object, in bytes.
pub const MAX_STORED: usize = 8 * 1024;

/// What a publisher says once about its requests.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// What its requests begin with.
    pub stored: Option<Stored>,
    /// Whether they come from servers, whose address and browser say nothing of a person.
    pub from_servers: bool,
}

/// A stored object as JSON text that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored(Arc<[u8]>);

/// Why an object cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Unfit {
    /// JSON pointer inside the object; empty for the whole.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl Stored {
    /// An imp to store.
    ///
    /// # Errors
    /// Where it is no imp, or has the id that only a request can give.
    pub fn imp(json: &str) -> Result<Self, Unfit> {
        let wrapped = format!(r#"{{"imp":[{json}]}}"#);
        Self::checked(json, &wrapped, "imp[0]", &["id"])
    }

    /// A request to store, without its imps.
    ///
    /// # Errors
    /// Where it is no request, or has the id or imps that only a request can give.
    pub fn request(json: &str) -> Result<Self, Unfit> {
        Self::checked(json, json, "", &["id", "imp"])
    }

    fn checked(json: &str, wrapped: &str, prefix: &str, given: &[&str]) -> Result<Self, Unfit> {
        let unfit = |pointer: String, problem: String| Unfit { pointer, problem };
        if json.len() > MAX_STORED {
            let problem = format!("{} bytes, at most {MAX_STORED} allowed", json.len());
            return Err(unfit(String::new(), problem));
        }
        let (limits, mut scratch) = (Limits::default(), Scratch::default());
        let read = scratch.decode::<Value<'_>>(json.as_bytes(), limits, Keep::All);
        let object = read.map_err(|fault| unfit(String::new(), fault.to_string()))?;
        if !object.is_object() {
            let problem = format!("expected an object, found {}", object.kind());
            return Err(unfit(String::new(), problem));
        }
        if let Some(name) = given.iter().find(|name| object.get(name).is_some()) {
            let problem = "is what a request says, it cannot be stored".to_owned();
            return Err(unfit(format!("/{name}"), problem));
        }
        let typed = scratch.decode::<BidRequest<'_>>(wrapped.as_bytes(), limits, Keep::All);
        typed.map_err(|fault| {
            let inside = fault.field.strip_prefix(prefix).unwrap_or(&fault.field);
            let problem = Fault::at("", fault.problem).to_string();
            unfit(pointer(inside), problem)
        })?;
        Ok(Self(json.as_bytes().into()))
    }
}

/// A path such as `.banner.format[0].w` as a JSON pointer.
fn pointer(path: &str) -> String {
    let parts = path.split(['.', '[', ']']).filter(|part| !part.is_empty());
    parts.fold(String::new(), |mut pointer, part| {
        pointer.push('/');
        pointer.push_str(part);
        pointer
    })
}

/// The name under which an imp asks for what is stored.
fn named<'a>(imp: &Imp<'a>) -> Option<&'a str> {
    let prebid = imp.ext?.get("prebid")?;
    prebid.get("storedrequest")?.get("id")?.as_str()
}

/// The publisher of the first imp that names a placement of ours by its id.
pub fn seller<'m>(market: &'m Market, request: &BidRequest<'_>) -> Option<&'m Seller> {
    let mut ids = request.imp.iter().filter_map(named);
    ids.find_map(|id| market.seller_of_placement(id))
}

/// The request completed by what is stored; `None` where nothing is stored for it.
///
/// # Errors
/// A [`Refusal`] where an imp names what its publisher has not stored.
pub fn complete(
    seller: &Seller,
    request: &BidRequest<'_>,
    body: &[u8],
    limits: Limits,
) -> Result<Option<Vec<u8>>, Refusal> {
    let mut placements = Vec::with_capacity(request.imp.len());
    for (index, imp) in request.imp.iter().enumerate() {
        let id = named(imp);
        let placement = match id {
            Some(id) => seller.placement_named(id),
            None => imp.tagid.and_then(|tagid| seller.placement(tagid)),
        };
        if id.is_some() && placement.is_none() {
            let field = format!("imp[{index}].ext.prebid.storedrequest.id");
            let detail = "is no placement of this publisher, by its id or tagid";
            return Err(Refusal::malformed(field, detail));
        }
        placements.push(placement);
    }
    let stored = seller.publisher.requests.stored.as_ref();
    let any = placements
        .iter()
        .zip(&*request.imp)
        .any(|(one, imp)| one.is_some_and(|one| one.stored.is_some() || imp.tagid.is_none()));
    if !any && stored.is_none() {
        return Ok(None);
    }
    // The body is an ext to these limits, some levels above those of its own.
    let limits = Limits {
        depth: limits.depth + 8,
        ..limits
    };
    let mut scratch = Scratch::default();
    let came: Value<'_> = scratch.decode(body, limits, Keep::All)?;
    let mut asked = Vec::with_capacity(body.len() + MAX_STORED);
    let mut object = Object::open(&mut asked);
    for (name, value) in came.members().filter(|(name, _)| *name != "imp") {
        object.member(name, &value);
    }
    let imps = came.get("imp").map(List);
    if let Some(imps) = imps {
        let out = object.key("imp");
        out.push(b'[');
        for (index, imp) in imps.items().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            completed_imp(imp, placements.get(index).copied().flatten(), limits, out)?;
        }
        out.push(b']');
    }
    object.close();
    let Some(stored) = stored else {
        return Ok(Some(asked));
    };
    let (mut before, mut after) = (Scratch::default(), Scratch::default());
    let target: Value<'_> = before.decode(&stored.0, limits, Keep::All)?;
    let patch: Value<'_> = after.decode(&asked, self::limits(limits), Keep::All)?;
    let mut out = Vec::with_capacity(asked.len() + stored.0.len());
    merge(Some(target), patch, &mut out);
    Ok(Some(out))
}

/// The limits of a completed request: with what is stored in all its imps it may be longer than
/// one that comes.
pub fn limits(limits: Limits) -> Limits {
    Limits {
        body: limits.body + (limits.imps + 1) * MAX_STORED,
        ..limits
    }
}

/// The imps as they came: a lone one may stand for a list.
struct List<'a>(Value<'a>);

impl<'a> List<'a> {
    fn items(&self) -> impl Iterator<Item = Value<'a>> {
        let lone = self.0.is_object().then_some(self.0);
        lone.into_iter().chain(self.0.elements())
    }
}

fn completed_imp(
    imp: Value<'_>,
    placement: Option<&crate::catalog::Placement>,
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let Some(placement) = placement else {
        imp.encode(out);
        return Ok(());
    };
    let mut text = Vec::with_capacity(MAX_STORED);
    let mut tagged = Object::open(&mut text);
    tagged.member("tagid", &&*placement.tagid);
    let mut scratch = Scratch::default();
    if let Some(stored) = &placement.stored {
        let stored: Value<'_> = scratch.decode(&stored.0, limits, Keep::All)?;
        for (name, value) in stored.members().filter(|(name, _)| *name != "tagid") {
            tagged.member(name, &value);
        }
    }
    tagged.close();
    let mut scratch = Scratch::default();
    let target = scratch.decode(&text, limits, Keep::All)?;
    merge(Some(target), imp, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_stored_is_named_by_its_pointer() {
        for (json, pointer) in [
            ("[]", ""),
            ("{", ""),
            (r#"{"id":"1"}"#, "/id"),
            (r#"{"banner":7}"#, "/banner"),
            (
                r#"{"banner":{"format":[{"w":300},{"w":{}}]}}"#,
                "/banner/format/1/w",
            ),
        ] {
            assert_eq!(Stored::imp(json).unwrap_err().pointer, pointer, "{json}");
        }
        let unfit = Stored::request(r#"{"imp":[]}"#).unwrap_err();
        assert_eq!(unfit.pointer, "/imp");
        let unfit = Stored::request(r#"{"site":{"page":[1,{}]}}"#).unwrap_err();
        assert_eq!(unfit.pointer, "/site/page");
        let long = format!(r#"{{"ext":"{}"}}"#, "x".repeat(MAX_STORED));
        assert!(Stored::imp(&long).is_err());
    }
}
