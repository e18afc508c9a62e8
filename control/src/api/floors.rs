//! `POST /v1/floors/simulate` and `POST /v1/floors/suggest`: a draft of floors over the logged
//! auctions of a publisher, and one that is made from them. Nothing is written; whoever accepts a
//! suggestion puts it into `/v1/floors/{id}`.

use super::Api;
use super::body::{bytes, json, query};
use super::problem::Problem;
use crate::access::{Caller, Deed};
use crate::fault::Fault;
use crate::model::shown;
use crate::resource::{Kind, Resource};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use exchange::catalog::Publisher;
use exchange::floor::simulate::{Auction, Compared, Sales, Simulated, simulate};
use exchange::floor::suggest::{Bounds, Suggestion, suggest};
use exchange::floor::{Field, parse_value};
use jiff::Timestamp;
use ledger::{Cpm, Currency, Micros, RateTable};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Days that are looked back, unless told otherwise.
const DAYS: u32 = 7;
const MOST_DAYS: u32 = 90;
/// Rules that are told.
const MOST_RULES: usize = 100;
/// How far a suggestion goes, unless told otherwise, and at most.
const PERCENT: u8 = 20;
const MOST_PERCENT: u8 = 50;
/// Imps of a kind that a suggestion takes.
const LEAST_IMPS: u32 = 50;
/// In how many of a hundred auctions a suggestion keeps the present floors.
const HOLD_OUT: u64 = 10;
/// What stands beside every figure.
const WARNING: &str = "These figures are about the past: buyers who see other floors bid otherwise, \
                       and bids that the floors in force kept away are not in them.";

/// The logged auctions of a publisher that floors can be tried on.
pub struct Past {
    /// The publisher as it sells now.
    pub publisher: Publisher,
    /// Rates of the day.
    pub rates: RateTable,
    /// The auctions, in the publisher's currency.
    pub auctions: Vec<Auction>,
    /// The first and the last, unix milliseconds.
    pub span_ms: Option<(i64, i64)>,
    /// Of a million auctions so many are in the sample.
    pub sample_ppm: u32,
    /// Imps that were sold on a deal, which are left out.
    pub on_deals: u64,
    /// Auctions and bids in currencies without a rate, which are left out.
    pub without_rate: u64,
}

/// What both requests ask for.
struct Asked {
    publisher: String,
    days: u32,
    body: Map<String, Value>,
}

/// `POST /v1/floors/simulate`
pub(super) async fn simulated(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (_, mut asked) = read(&api, request, &["publisher", "days", "floors"]).await?;
    let draft = asked.body.remove("floors").unwrap_or(Value::Null);
    let rules = match Resource::read(Kind::Floors, &draft) {
        Ok(Resource::Floors(floors)) => floors.rules(api.hooks.now()).0,
        Ok(_) => return Err(Problem::bad_request("a draft is a floor file")),
        Err(faults) => {
            let within =
                |fault: Fault| Fault::new(format!("/floors{}", fault.pointer), fault.detail);
            return Err(Problem::unprocessable(
                faults.into_iter().map(within).collect(),
            ));
        }
    };
    let past = past(&api, &asked)?;
    let publisher = Publisher {
        floors: Some(rules),
        ..past.publisher.clone()
    };
    let told = tried(&publisher, &past, &past.auctions)?;
    Ok(Json(answer(&asked, &past, &told)))
}

/// `POST /v1/floors/suggest`
pub(super) async fn suggested(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let known = ["publisher", "days", "fields", "max_percent", "least_imps"];
    let (caller, asked) = read(&api, request, &known).await?;
    let mut faults = Vec::new();
    let percent = whole(
        &asked.body,
        "max_percent",
        (1, MOST_PERCENT.into()),
        &mut faults,
    );
    let least = whole(&asked.body, "least_imps", (10, 1_000_000), &mut faults);
    let fields = asked.body.get("fields");
    let fields = fields.and_then(|list| names(list, &mut faults));
    if !faults.is_empty() {
        return Err(Problem::unprocessable(faults));
    }
    let bounds = Bounds {
        percent: percent.map_or(PERCENT, |percent| percent as u8),
        least_imps: least.unwrap_or(LEAST_IMPS) as usize,
    };
    let past = past(&api, &asked)?;
    let present = api.store.read(|view| {
        let id = &asked.publisher;
        let record = super::item::own(view, &caller, Kind::Floors, id)?;
        Ok::<_, Problem>(
            record
                .filter(|record| !record.archived)
                .map(|record| record.body),
        )
    })?;
    let base = Base::of(present, fields, past.publisher.currency)?;
    let currency = past.publisher.currency;
    // Made of one half of the auctions, and measured on the other.
    let (made_of, held_out): (Vec<Auction>, Vec<Auction>) = past
        .auctions
        .iter()
        .cloned()
        .partition(|auction| auction.seed % 2 == 0);
    let market = (currency, &past.rates);
    let told = suggest(&past.publisher, &made_of, &base.fields, bounds, market);
    let changed: Vec<&Suggestion> = told.iter().filter(|one| one.floor != one.now).collect();
    let alone = base.document(&changed, currency, &past.rates, None)?;
    let measured = Publisher {
        floors: Some(compiled(&alone)?),
        ..past.publisher.clone()
    };
    let measured = tried(&measured, &past, &held_out)?;
    let floors = base.document(&changed, currency, &past.rates, Some(HOLD_OUT))?;
    let rule = |one: &&Suggestion| {
        json!({
            "rule": one.values.join(&base.delimiter),
            "imps": one.imps,
            "now": Micros(one.now.0).to_string(),
            "suggested": Micros(one.floor.0).to_string(),
        })
    };
    let mut answer = answer(&asked, &past, &measured);
    answer["rules"] = changed.iter().map(rule).collect();
    answer["kinds"] = told.len().into();
    answer["floors"] = if changed.is_empty() {
        Value::Null
    } else {
        floors
    };
    answer["hold_out_percent"] = HOLD_OUT.into();
    Ok(Json(answer))
}

/// Reads what is common to both, for whoever may see the publisher.
async fn read(api: &Api, request: Request, known: &[&str]) -> Result<(Caller, Asked), Problem> {
    let (parts, body) = request.into_parts();
    let (caller, _) = api.permitted(&parts, Kind::Floors.path(), Deed::Read)?;
    query(&parts, &[])?;
    let body = json(&bytes(api, &parts, body).await?)?;
    let Value::Object(body) = body else {
        return Err(Problem::bad_request("expected an object"));
    };
    let mut faults = Vec::new();
    for name in body.keys().filter(|name| !known.contains(&name.as_str())) {
        let detail = format!("is unknown, expected {}", known.join(", "));
        faults.push(Fault::new(crate::fault::join("", name), detail));
    }
    let days = whole(&body, "days", (1, MOST_DAYS), &mut faults);
    let publisher = match body.get("publisher") {
        Some(Value::String(id)) => id.clone(),
        other => {
            let found = other.map_or("nothing".to_owned(), shown);
            let detail = format!("expected the id of a publisher, found {found}");
            faults.push(Fault::new("/publisher", detail));
            String::new()
        }
    };
    if faults.is_empty() {
        let known = api
            .store
            .read(|view| view.get(Kind::Publisher, &publisher))?;
        if known.is_none_or(|record| record.archived || !caller.owns(&record.account)) {
            let detail = format!("there is no publisher `{publisher}`");
            faults.push(Fault::new("/publisher", detail));
        }
    }
    if !faults.is_empty() {
        return Err(Problem::unprocessable(faults));
    }
    let asked = Asked {
        publisher,
        days: days.unwrap_or(DAYS),
        body,
    };
    Ok((caller, asked))
}

/// A whole number, where it is given.
fn whole(
    body: &Map<String, Value>,
    name: &str,
    (least, most): (u32, u32),
    faults: &mut Vec<Fault>,
) -> Option<u32> {
    let given = body.get(name)?;
    let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let detail = format!("expected {least} to {most}, found {}", shown(given));
        faults.push(Fault::new(crate::fault::join("", name), detail));
    }
    number
}

/// Fields by their names.
fn names(list: &Value, faults: &mut Vec<Fault>) -> Option<Vec<String>> {
    let known = Field::ALL.map(|(name, _)| name);
    let Some(list) = list.as_array().filter(|list| !list.is_empty()) else {
        faults.push(Fault::new("/fields", "expected a list of fields"));
        return None;
    };
    let mut fields = Vec::new();
    for (index, name) in list.iter().enumerate() {
        let text = name.as_str().unwrap_or_default();
        if !known.contains(&text) || text == "partner" || fields.iter().any(|one| one == text) {
            let detail = format!(
                "expected each of {} once, found {}",
                known.join(", "),
                shown(name)
            );
            faults.push(Fault::new(format!("/fields/{index}"), detail));
        } else {
            fields.push(text.to_owned());
        }
    }
    Some(fields)
}

fn past(api: &Api, asked: &Asked) -> Result<Past, Problem> {
    let refused = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let past = api
        .hooks
        .past(&asked.publisher, asked.days)
        .map_err(refused)?;
    if past.auctions.is_empty() {
        let why = format!(
            "no auction of {} in the last {} days is in the sample: log.sample_ppm is {}",
            asked.publisher, asked.days, past.sample_ppm
        );
        return Err(Problem::new(StatusCode::CONFLICT, why));
    }
    Ok(past)
}

fn tried(publisher: &Publisher, past: &Past, auctions: &[Auction]) -> Result<Simulated, Problem> {
    let floors = publisher.floors.as_deref();
    let net = floors.is_some_and(|floors| floors.basis == exchange::floor::Basis::Net);
    if net && publisher.revenue_share_ppm == 0 {
        let detail = "floors on what the publisher earns need a revenue_share above 0";
        return Err(Problem::unprocessable(vec![Fault::new("/floors", detail)]));
    }
    let market = (publisher.currency, &past.rates);
    Ok(simulate(publisher, auctions, market, MOST_RULES))
}

/// The floors that a suggestion changes.
struct Base {
    /// The file in force, or an empty one.
    file: Value,
    /// The group whose rules are changed.
    group: Value,
    fields: Vec<Field>,
    delimiter: String,
    currency: Currency,
}

impl Base {
    /// The file in force with its heaviest group; without one, a file of `fields`.
    fn of(
        present: Option<Value>,
        fields: Option<Vec<String>>,
        own: Currency,
    ) -> Result<Self, Problem> {
        let file = present.unwrap_or_else(|| json!({ "data": { "currency": own.code() } }));
        let groups = file["data"]["modelGroups"].as_array();
        let weight = |group: &&Value| group["modelWeight"].as_u64().unwrap_or(1);
        let heaviest = groups.and_then(|groups| groups.iter().max_by_key(weight));
        let mut group = heaviest.cloned().unwrap_or_else(|| json!({ "values": {} }));
        let of_group = group["schema"]["fields"].as_array().map(|list| {
            let names = list.iter().filter_map(Value::as_str);
            names.map(str::to_owned).collect::<Vec<_>>()
        });
        let names = match (of_group, fields) {
            (Some(own), Some(asked)) if own != asked => {
                let detail = format!("the floors in force match on {}", own.join(", "));
                return Err(Problem::unprocessable(vec![Fault::new("/fields", detail)]));
            }
            (Some(own), _) => own,
            (None, asked) => asked.unwrap_or_else(|| vec!["size".to_owned()]),
        };
        group["schema"]["fields"] = names.iter().cloned().collect();
        let field = |name: &String| {
            let known = Field::ALL.into_iter().find(|(known, _)| known == name);
            known.map(|(_, field)| field)
        };
        let fields: Option<Vec<Field>> = names.iter().map(field).collect();
        let fields = fields.filter(|fields| !fields.contains(&Field::Partner));
        let fields = fields.ok_or_else(|| {
            let detail = "floors by partner are not suggested";
            Problem::unprocessable(vec![Fault::new("/fields", detail)])
        })?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let delimiter = text(&group["schema"]["delimiter"]).unwrap_or_else(|| "|".to_owned());
        let stated = text(&group["currency"]).or_else(|| text(&file["data"]["currency"]));
        let currency = stated.and_then(|code| code.parse().ok());
        Ok(Self {
            file,
            group,
            fields,
            delimiter,
            currency: currency.unwrap_or(Currency(*b"USD")),
        })
    }

    /// The file with the suggested rules, and beside them, in so many of a hundred auctions, those
    /// in force.
    fn document(
        &self,
        changed: &[&Suggestion],
        from: Currency,
        rates: &RateTable,
        hold_out: Option<u64>,
    ) -> Result<Value, Problem> {
        let mut suggested = self.group.clone();
        suggested["modelVersion"] = "suggested".into();
        suggested["modelWeight"] = (100 - hold_out.unwrap_or(0)).into();
        let mut rules = self.group["values"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        for one in changed {
            let price = rates.convert(one.floor, from, self.currency);
            let price = price.ok_or_else(|| {
                let why = format!("there is no rate from {from} to {}", self.currency);
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
            })?;
            let key = one.values.join(&self.delimiter);
            // Rules are compared in lower case, whatever case they were written in.
            rules.retain(|known, _| known.to_lowercase() != key);
            rules.insert(key, json!(rounded(price)));
        }
        suggested["values"] = Value::Object(rules);
        let mut groups = vec![suggested];
        if let Some(percent) = hold_out {
            let mut present = self.group.clone();
            present["modelVersion"] = "held_out".into();
            present["modelWeight"] = percent.into();
            groups.push(present);
        }
        let mut file = self.file.clone();
        file["data"]["modelGroups"] = groups.into();
        if !file["data"]["currency"].is_string() {
            file["data"]["currency"] = self.currency.code().into();
        }
        Ok(file)
    }
}

/// A price with four decimals.
fn rounded(price: Cpm) -> f64 {
    (price.0 as f64 / 100.0).round() / 1e4
}

fn compiled(file: &Value) -> Result<Arc<exchange::floor::Floors>, Problem> {
    let parsed = parse_value(file).map_err(|faults| {
        let faults = faults.into_iter();
        let told = faults.map(|fault| Fault::new(format!("/floors{}", fault.field), fault.problem));
        Problem::unprocessable(told.collect())
    })?;
    Ok(parsed.floors.into())
}

fn answer(asked: &Asked, past: &Past, told: &Simulated) -> Value {
    let share = past.publisher.revenue_share_ppm;
    let moment = |ms: i64| {
        Timestamp::from_millisecond(ms)
            .unwrap_or_default()
            .to_string()
    };
    let span = past.span_ms;
    let rules = told.rules.iter().map(|(rule, compared)| {
        json!({
            "rule": rule,
            "imps": compared.imps,
            "now": sales(compared.now, compared, share),
            "draft": sales(compared.draft, compared, share),
        })
    });
    let change = told.all.draft.gross - told.all.now.gross;
    let band = told
        .half_width
        .map(|half| [amount(change - half), amount(change + half)]);
    json!({
        "publisher": asked.publisher,
        "currency": past.publisher.currency.code(),
        "sample": {
            "auctions": told.auctions,
            "imps": told.all.imps,
            "from": span.map(|(first, _)| moment(first)),
            "to": span.map(|(_, last)| moment(last)),
            "sample_ppm": past.sample_ppm,
            "left_out": {
                "imps_sold_on_deals": past.on_deals,
                "without_rate": past.without_rate + told.without_rate,
            },
        },
        "now": sales(told.all.now, &told.all, share),
        "draft": sales(told.all.draft, &told.all, share),
        "change": { "gross": amount(change), "band": band },
        "by_rule": rules.collect::<Vec<_>>(),
        "warning": WARNING,
    })
}

fn sales(sales: Sales, of: &Compared, share_ppm: u32) -> Value {
    let cpm = (sales.sold > 0).then(|| sales.gross / i128::from(sales.sold));
    json!({
        "sold": sales.sold,
        "fill": sales.sold as f64 / of.imps.max(1) as f64,
        "gross": amount(sales.gross),
        "earned": amount(sales.gross * i128::from(share_ppm) / 1_000_000),
        "cpm": cpm.map(|cpm| amount(cpm * 1_000)),
    })
}

/// What a sum of prices per thousand comes to.
fn amount(per_thousand: i128) -> String {
    let micros = i64::try_from(per_thousand / 1_000).unwrap_or(i64::MAX);
    Micros(micros).to_string()
}
