use crate::decode::Context;
use crate::fault::{Fault, Problem};
use crate::list::CategoryTaxonomy;
use crate::object::object;
use crate::request::{App, Device, Dooh, Imp, Regs, Site, Source, User};
use crate::{Flag, List};

object! {
    /// A request to bid (section 3.2.1).
    BidRequest {
        id: Option<&'a str>,
        imp: List<'a, Imp<'a>>,
        site: Option<&'a Site<'a>>,
        app: Option<&'a App<'a>>,
        dooh: Option<&'a Dooh<'a>>,
        device: Option<&'a Device<'a>>,
        user: Option<&'a User<'a>>,
        test: Option<Flag>,
        at: Option<i64>,
        tmax: Option<i64>,
        wseat: List<'a, &'a str>,
        bseat: List<'a, &'a str>,
        allimps: Option<Flag>,
        cur: List<'a, &'a str>,
        wlang: List<'a, &'a str>,
        wlangb: List<'a, &'a str>,
        acat: List<'a, &'a str>,
        bcat: List<'a, &'a str>,
        cattax: Option<CategoryTaxonomy>,
        badv: List<'a, &'a str>,
        bapp: List<'a, &'a str>,
        source: Option<&'a Source<'a>>,
        regs: Option<&'a Regs<'a>>,
    }
    then few_imps
}

/// A limit of the receiver, not a rule of the specification.
fn few_imps(request: &mut BidRequest<'_>, context: &Context<'_>) -> Result<(), Fault> {
    let most = context.limits.imps;
    if request.imp.len() > most {
        return Err(Fault::at("imp", Problem::Limit { what: "imps", most }));
    }
    Ok(())
}
