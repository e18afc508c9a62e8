//! Who buys: seats, advertisers, categories, applications, deals.

use super::read::{flag, list, number, text, texts};
use super::{Case, Faults};
use crate::categories::chains;
use serde_json::Value;

pub(super) fn check(case: &Case<'_>, faults: &mut Faults) {
    let Case {
        request, bid, seat, ..
    } = case;
    let (may, may_not) = (texts(&request["wseat"]), texts(&request["bseat"]));
    let fits = may.is_empty() || may.iter().any(|one| one == seat);
    faults.unless(fits, || format!("seat {seat} is not one of {may:?}"));
    faults.unless(!may_not.iter().any(|one| one == seat), || {
        format!("seat {seat} is blocked")
    });
    let domains = texts(&bid["adomain"]);
    faults.unless(domains == case.fact.domains, || {
        format!("adomain is {domains:?}, not {:?}", case.fact.domains)
    });
    for blocked in texts(&request["badv"]) {
        let hit = domains.iter().find(|domain| under(domain, &blocked));
        faults.unless(hit.is_none(), || format!("{hit:?} is blocked by {blocked}"));
    }
    let bundle = bid["bundle"].as_str().unwrap_or_default();
    let blocked = texts(&request["bapp"]);
    faults.unless(!blocked.iter().any(|one| one == bundle), || {
        format!("application {bundle} is blocked")
    });
    categories(case, faults);
    deal(case, &domains, faults);
}

/// Whether a domain is another or one below it.
fn under(domain: &str, above: &str) -> bool {
    let (domain, above) = (domain.to_ascii_lowercase(), above.to_ascii_lowercase());
    domain == above || domain.ends_with(&format!(".{above}"))
}

fn categories(case: &Case<'_>, faults: &mut Faults) {
    let taxonomy = number(&case.request["cattax"]).unwrap_or(1.0) as i64;
    let own: Vec<String> = texts(&case.bid["cat"]);
    let stated = number(&case.bid["cattax"]).unwrap_or(1.0) as i64;
    let told = case.fact.cat.iter().all(|cat| own.contains(cat));
    faults.unless(
        told && (own.is_empty() || stated == case.fact.cattax),
        || format!("told {own:?} of {stated}, not {:?}", case.fact.cat),
    );
    let (blocked, allowed) = (texts(&case.request["bcat"]), texts(&case.request["acat"]));
    for cat in &own {
        let chain = chains(stated, cat, taxonomy);
        if !blocked.is_empty() {
            let hit = chain.as_ref().is_none_or(|chain| chain.meets(&blocked));
            faults.unless(!hit, || {
                format!("{cat} of {stated} against {blocked:?} of {taxonomy}")
            });
        }
        if !allowed.is_empty() {
            let fits = chain.is_some_and(|chain| chain.within(&allowed));
            faults.unless(fits, || {
                format!("{cat} of {stated} is not within {allowed:?} of {taxonomy}")
            });
        }
    }
    faults.unless(allowed.is_empty() || !own.is_empty(), || {
        "a creative without categories where acat is given".to_owned()
    });
}

fn deal(case: &Case<'_>, domains: &[String], faults: &mut Faults) {
    let pmp = &case.imp["pmp"];
    let id = case.bid["dealid"].as_str();
    faults.unless(id.is_some() || !flag(&pmp["private_auction"]), || {
        "an open bid in a private auction".to_owned()
    });
    let fits = case.fact.deals.is_empty() == id.is_none()
        && id.is_none_or(|id| case.fact.deals.contains(&id));
    faults.unless(fits, || {
        format!("deal {id:?}, the line item buys {:?}", case.fact.deals)
    });
    let Some(id) = id else { return };
    let Some(deal) = offered(pmp, id) else {
        return faults.0.push(format!("deal {id} is not offered"));
    };
    let seats = texts(&deal["wseat"]);
    let fits = seats.is_empty() || seats.iter().any(|seat| seat == case.seat);
    faults.unless(fits, || format!("deal {id} is for seats {seats:?}"));
    let named = texts(&deal["wadomain"]);
    let fits = |domain: &String| named.iter().any(|above| under(domain, above));
    faults.unless(named.is_empty() || domains.iter().all(fits), || {
        format!("deal {id} is for {named:?}, not {domains:?}")
    });
}

/// The deal of an imp with an id.
pub(super) fn offered<'v>(pmp: &'v Value, id: &str) -> Option<&'v Value> {
    list(&pmp["deals"])
        .into_iter()
        .find(|deal| text(&deal["id"]) == id)
}
