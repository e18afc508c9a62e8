//! Everything that is wrong with an [`Input`], each fault with its field.

use super::{
    Advertiser, Campaign, Creative, Factor, Format, Input, LineItem, Pricing, Rotation, Targeting,
};
use crate::frequency::{Cap, Level, Scope};
use ledger::{Cpm, Currency};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Longest id, in bytes: ids travel in signed tokens.
pub const MAX_ID: usize = 128;
/// Most line items.
pub const MAX_LINE_ITEMS: usize = 1_000_000;
/// Most subjects that all line items together may name themselves (metrics and `ext` paths):
/// every request is searched for each of them.
pub const MAX_NAMED: usize = 64;
/// Most values of one list of a line item.
pub const MAX_VALUES: usize = 10_000;
/// Largest markup, in bytes.
pub const MAX_MARKUP: usize = 64 * 1024;
/// Highest price, in micros per thousand: a thousand units a thousand.
pub const MAX_CPM: Cpm = Cpm(1_000_000_000);

/// A fault of an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// Path of the field, such as `line_items[2].creatives`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

/// Collects faults under a path.
struct Faults<'f> {
    list: &'f mut Vec<Invalid>,
    path: String,
}

impl Faults<'_> {
    fn add(&mut self, field: &str, problem: impl Into<String>) {
        self.list.push(Invalid {
            field: format!("{}.{field}", self.path),
            problem: problem.into(),
        });
    }

    fn id(&mut self, id: &str, seen: bool) {
        if id.is_empty() {
            self.add("id", "is empty");
        } else if id.len() > MAX_ID {
            self.add("id", format!("longer than {MAX_ID} bytes"));
        } else if seen {
            self.add("id", format!("{id:?} stands twice"));
        }
    }

    fn values<T>(&mut self, field: &str, values: &[T]) {
        if values.len() > MAX_VALUES {
            let given = values.len();
            self.add(field, format!("{given} values, at most {MAX_VALUES}"));
        }
    }
}

impl Input {
    /// Everything that is wrong, each with its field; empty where nothing is.
    pub fn faults(&self) -> Vec<Invalid> {
        let mut list = Vec::new();
        let mut advertisers = HashMap::new();
        for (index, one) in self.advertisers.iter().enumerate() {
            let mut faults = at(&mut list, "advertisers", index);
            faults.id(&one.id, advertisers.insert(&*one.id, one).is_some());
            domain(&mut faults, "domain", &one.domain);
            currency(&mut faults, one.currency);
        }
        let mut campaigns = HashMap::new();
        for (index, one) in self.campaigns.iter().enumerate() {
            let mut faults = at(&mut list, "campaigns", index);
            faults.id(&one.id, campaigns.insert(&*one.id, one).is_some());
            campaign(&mut faults, one, &advertisers);
        }
        let mut creatives = HashMap::new();
        for (index, one) in self.creatives.iter().enumerate() {
            let mut faults = at(&mut list, "creatives", index);
            faults.id(&one.id, creatives.insert(&*one.id, one).is_some());
            creative(&mut faults, one, &advertisers);
        }
        let mut line_items = HashSet::new();
        for (index, one) in self.line_items.iter().enumerate() {
            let mut faults = at(&mut list, "line_items", index);
            faults.id(&one.id, !line_items.insert(&*one.id));
            line_item(&mut faults, one, &campaigns, &creatives);
        }
        let mut named = BTreeSet::new();
        for one in &self.line_items {
            let modifiers = one.pricing.modifiers.iter().map(|modifier| &modifier.when);
            let subjects = modifiers
                .chain([&one.targeting])
                .flat_map(|one| one.rules.keys());
            named.extend(subjects.filter(|subject| subject.is_named()));
        }
        if named.len() > MAX_NAMED {
            list.push(Invalid {
                field: "line_items".to_owned(),
                problem: format!(
                    "name {} metrics and ext paths, at most {MAX_NAMED} together",
                    named.len()
                ),
            });
        }
        if self.line_items.len() > MAX_LINE_ITEMS {
            list.push(Invalid {
                field: "line_items".to_owned(),
                problem: format!("{} given, at most {MAX_LINE_ITEMS}", self.line_items.len()),
            });
        }
        list
    }
}

impl LineItem {
    /// The rule by which its creatives follow one another: its own with the longest window.
    pub(super) fn sequence(&self) -> Option<&Cap> {
        let own = Scope::of(Level::LineItem, &self.id);
        let rules = self.frequency.iter().filter(|rule| rule.scope == own);
        rules.max_by_key(|rule| rule.window_s)
    }

    /// Everything that is wrong with it by itself, whatever it refers to.
    pub(super) fn own_faults(&self) -> Vec<Invalid> {
        let mut list = Vec::new();
        let mut faults = Faults {
            list: &mut list,
            path: format!("line_items[{}]", self.id),
        };
        faults.id(&self.id, false);
        own(&mut faults, self);
        list
    }
}

fn at<'f>(list: &'f mut Vec<Invalid>, kind: &str, index: usize) -> Faults<'f> {
    Faults {
        list,
        path: format!("{kind}[{index}]"),
    }
}

fn currency(faults: &mut Faults<'_>, currency: Currency) {
    if !currency.0.iter().all(u8::is_ascii_uppercase) {
        faults.add("currency", "expected three capital letters such as EUR");
    }
}

fn domain(faults: &mut Faults<'_>, field: &str, domain: &str) {
    let label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.bytes().all(allowed)
    };
    if domain.len() > 253 || !domain.split('.').all(label) {
        faults.add(field, format!("expected a host name, found {domain:?}"));
    }
}

fn campaign(faults: &mut Faults<'_>, one: &Campaign, advertisers: &HashMap<&str, &Advertiser>) {
    if !advertisers.contains_key(&*one.advertiser) {
        faults.add("advertiser", format!("{:?} is unknown", one.advertiser));
    }
    if one.end_ms <= one.start_ms {
        faults.add("end", "expected a time after start");
    }
}

fn creative(faults: &mut Faults<'_>, one: &Creative, advertisers: &HashMap<&str, &Advertiser>) {
    if !advertisers.contains_key(&*one.advertiser) {
        faults.add("advertiser", format!("{:?} is unknown", one.advertiser));
    }
    let contents = [
        !one.adm.is_empty(),
        one.template.is_some(),
        one.native.is_some(),
    ];
    if contents.iter().filter(|given| **given).count() != 1 {
        faults.add("adm", "expected exactly one of markup, template and native");
    } else if one.adm.len() > MAX_MARKUP {
        faults.add("adm", format!("longer than {MAX_MARKUP} bytes"));
    }
    if one.format == Format::Banner && (one.w == 0 || one.h == 0) {
        faults.add("w", "a banner needs w and h above 0");
    }
    if one.adomain.is_empty() {
        faults.add("adomain", "is empty, exchanges require a domain");
    }
    for name in &one.adomain {
        domain(faults, "adomain", name);
    }
    let web = ["https://", "http://"].map(|scheme| one.landing_page.starts_with(scheme));
    if !web.contains(&true) || one.landing_page.len() > 2_048 {
        let problem = "expected an http or https address of at most 2048 bytes";
        faults.add("landing_page", problem);
    }
    frequency(faults, &one.frequency);
    faults.values("cat", &one.cat);
    faults.values("attr", &one.attr);
}

fn line_item(
    faults: &mut Faults<'_>,
    one: &LineItem,
    campaigns: &HashMap<&str, &Campaign>,
    creatives: &HashMap<&str, &Creative>,
) {
    let campaign = campaigns.get(&*one.campaign);
    if campaign.is_none() {
        faults.add("campaign", format!("{:?} is unknown", one.campaign));
    }
    for id in &one.creatives {
        match (creatives.get(&**id), campaign) {
            (None, _) => faults.add("creatives", format!("{id:?} is unknown")),
            (Some(creative), Some(campaign)) if creative.advertiser != campaign.advertiser => {
                faults.add("creatives", format!("{id:?} is another advertiser's"));
            }
            (Some(_), _) => {}
        }
    }
    own(faults, one);
}

/// What is wrong with a line item by itself.
fn own(faults: &mut Faults<'_>, one: &LineItem) {
    if one.max_cpm <= Cpm(0) || one.max_cpm > MAX_CPM {
        faults.add("max_cpm", format!("expected above 0 and at most {MAX_CPM}"));
    }
    pricing(faults, one);
    for (field, problem) in one.fees.faults(&one.targeting.audience) {
        faults.add(field, problem);
    }
    frequency(faults, &one.frequency);
    if one.creatives.is_empty() {
        faults.add("creatives", "is empty, there would be nothing to show");
    }
    delivery(faults, one);
    if one.budget.money().is_empty() {
        faults.add("budget", "draws on no budget, so nothing limits it");
    }
    if one.budget.money().len() != one.draws.count() {
        faults.add(
            "budget",
            "expected one slot for each budget that it draws on",
        );
    }
    targeting(faults, "targeting", &one.targeting);
    for (at, modifier) in one.pricing.modifiers.iter().enumerate() {
        targeting(
            faults,
            &format!("pricing.modifiers[{at}].when"),
            &modifier.when,
        );
    }
}

fn pricing(faults: &mut Faults<'_>, one: &LineItem) {
    let Pricing {
        base_cpm,
        min_cpm,
        ref modifiers,
        lowest,
        highest,
    } = one.pricing;
    let most = one.max_cpm;
    if base_cpm.is_some_and(|base| base <= Cpm(0) || base > most) {
        faults.add("pricing.base_cpm", "expected above 0 and at most max_cpm");
    }
    if min_cpm < Cpm(0) || min_cpm > most {
        faults.add("pricing.min_cpm", "expected 0 or more and at most max_cpm");
    }
    if modifiers.len() > Pricing::MOST {
        let problem = format!("{} modifiers, at most {}", modifiers.len(), Pricing::MOST);
        faults.add("pricing.modifiers", problem);
    }
    let factors = modifiers.iter().map(|one| one.factor);
    if lowest > highest || factors.chain([highest]).any(|factor| factor > Factor::MAX) {
        let problem = "expected factors of at most 100, and the lowest below the highest";
        faults.add("pricing", problem);
    }
}

fn frequency(faults: &mut Faults<'_>, rules: &[Cap]) {
    for fault in rules.iter().filter_map(Cap::fault) {
        faults.add("frequency", fault);
    }
}

fn delivery(faults: &mut Faults<'_>, one: &LineItem) {
    match &one.delivery.rotation {
        Rotation::Weighted(weights) => {
            if weights.len() != one.creatives.len() || weights.iter().all(|weight| *weight == 0) {
                let problem = "expected a weight for each creative, one above 0 at least";
                faults.add("delivery.rotation", problem);
            }
        }
        Rotation::Sequential if one.sequence().is_none() => {
            let problem = "nobody counts its impressions without a rule, so there is no sequence";
            faults.add("delivery.rotation", problem);
        }
        Rotation::Even | Rotation::Sequential => {}
    }
    faults.values("delivery.deals", &one.delivery.deals);
    if one.delivery.deals.iter().any(String::is_empty) {
        faults.add("delivery.deals", "has an empty value");
    }
}

fn targeting(faults: &mut Faults<'_>, path: &str, targeting: &Targeting) {
    for (subject, rule) in &targeting.rules {
        let field = format!("{path}.{subject}");
        let kind = subject.kind();
        faults.values(&field, &rule.include);
        faults.values(&field, &rule.exclude);
        let mut values = rule.include.iter().chain(&rule.exclude);
        if let Some(value) = values.find(|value| !value.is_of(kind)) {
            faults.add(
                &field,
                format!("expected values of {kind:?}, found {value:?}"),
            );
        }
    }
    faults.values("targeting.sizes", &targeting.sizes.include);
    faults.values("targeting.audience", &targeting.audience.include);
    faults.values("targeting.audience", &targeting.audience.exclude);
    for group in &targeting.audience.include {
        faults.values("targeting.audience", group);
        if group.is_empty() {
            faults.add(
                "targeting.audience",
                "has an empty group, which nobody is in",
            );
        }
    }
    if targeting.hours.is_empty() {
        faults.add("targeting.hours", "has no hour");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Dimension, Rule, Value};
    use crate::sample;
    use ledger::{Book, BudgetPath};

    fn rule(input: &mut Input, dimension: Dimension, value: Value) {
        let rules = &mut input.line_items[1].targeting.rules;
        rules.insert(dimension.into(), Rule::including(vec![value]));
    }

    fn faults(change: impl FnOnce(&mut Input)) -> Vec<String> {
        let mut input = sample::input(&Book::default(), 2);
        change(&mut input);
        input
            .faults()
            .into_iter()
            .map(|fault| fault.field)
            .collect()
    }

    #[test]
    fn a_sound_input_has_no_fault() {
        assert_eq!(faults(|_| ()), Vec::<String>::new());
    }

    type Change = fn(&mut Input);

    #[test]
    fn faults_name_their_fields() {
        let cases: [(Change, &str); 25] = [
            (
                |input| input.line_items[0].delivery.rotation = Rotation::Weighted(vec![0]),
                "line_items[0].delivery.rotation",
            ),
            (
                |input| input.line_items[0].delivery.rotation = Rotation::Sequential,
                "line_items[0].delivery.rotation",
            ),
            (
                |input| input.line_items[0].delivery.deals = vec![String::new()],
                "line_items[0].delivery.deals",
            ),
            (
                |input| input.advertisers[0].domain = "a b".into(),
                "advertisers[0].domain",
            ),
            (|input| input.campaigns[0].end_ms = -1, "campaigns[0].end"),
            (|input| input.creatives[0].adm.clear(), "creatives[0].adm"),
            (
                |input| input.creatives[0].adm = "x".repeat(70_000),
                "creatives[0].adm",
            ),
            (|input| input.creatives[0].h = 0, "creatives[0].w"),
            (
                |input| input.creatives[0].adomain.clear(),
                "creatives[0].adomain",
            ),
            (
                |input| input.creatives[0].landing_page = "ftp://a".into(),
                "creatives[0].landing_page",
            ),
            (
                |input| input.line_items[1].id = "li_0".into(),
                "line_items[1].id",
            ),
            (|input| input.line_items[1].id.clear(), "line_items[1].id"),
            (
                |input| input.line_items[1].campaign = "x".into(),
                "line_items[1].campaign",
            ),
            (
                |input| input.line_items[1].max_cpm = Cpm(0),
                "line_items[1].max_cpm",
            ),
            (
                |input| input.line_items[1].max_cpm = Cpm(i64::MAX),
                "line_items[1].max_cpm",
            ),
            (
                |input| input.line_items[1].fees.platform_ppm = 1_000_001,
                "line_items[1].fees.platform_ppm",
            ),
            (
                |input| {
                    let fees = &mut input.line_items[1].fees;
                    fees.data = vec![sample::price("seg", "a=b", 1)];
                },
                "line_items[1].fees.data",
            ),
            (
                |input| input.line_items[1].frequency = vec![sample::per_day("li_1", 0)],
                "line_items[1].frequency",
            ),
            (
                |input| input.line_items[1].creatives.push("x".into()),
                "line_items[1].creatives",
            ),
            (
                |input| input.line_items[1].budget = BudgetPath::new(&[]),
                "line_items[1].budget",
            ),
            (
                |input| rule(input, Dimension::Geo, Value::Code(7)),
                "line_items[1].targeting.geo",
            ),
            (
                |input| rule(input, Dimension::ContentLength, Value::Numbers(2, 1)),
                "line_items[1].targeting.content_lengths",
            ),
            (
                |input| rule(input, Dimension::Audience, Value::Text("seg".into())),
                "line_items[1].targeting.audience",
            ),
            (
                |input| input.line_items[1].targeting.audience.include = vec![vec![]],
                "line_items[1].targeting.audience",
            ),
            (
                |input| input.line_items[1].targeting.hours = crate::catalog::Hours::NONE,
                "line_items[1].targeting.hours",
            ),
        ];
        for (change, field) in cases {
            let found = faults(change);
            assert!(
                found.iter().any(|found| found == field),
                "{field}: {found:?}"
            );
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let found = faults(|input| {
            input.advertisers[0].id = "other".to_owned();
            input.line_items[0].creatives.clear();
        });
        let expected = [
            "campaigns[0].advertiser",
            "creatives[0].advertiser",
            "line_items[0].creatives",
        ];
        assert_eq!(found, expected);
    }
}
