//! The publishers' floor file (the price-floor schema, version 2) into compiled floors.
//!
//! The file is read strictly: whatever it says and we do not know is a fault with its JSON
//! pointer, since a floor that is silently ignored costs the publisher money. Rules that the
//! schema itself says are ignored are told too, as notes.

use super::rules::{Field, Hit, Rules, Unusable};
use super::{Enforcement, Floors, Group};
use crate::catalog::Invalid;
use ledger::{Cpm, Currency};
use serde_json::{Map, Value};

/// The most rules of a file.
pub const MAX_RULES: usize = 10_000;

/// The most model groups of a file.
pub const MAX_GROUPS: usize = 64;

/// A file that was taken.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The floors.
    pub floors: Floors,
    /// Rules that are of no use, with their pointers.
    pub notes: Vec<Invalid>,
}

/// Reads a floor file: the whole `floors` object, or its `data` alone.
///
/// # Errors
/// Everything that is wrong with it, each with its JSON pointer.
pub fn parse(json: &str) -> Result<Parsed, Vec<Invalid>> {
    match serde_json::from_str(json) {
        Ok(value) => parse_value(&value),
        Err(error) => Err(vec![Invalid::new("", format!("not valid JSON: {error}"))]),
    }
}

/// Like [`parse`], from a JSON value.
///
/// # Errors
/// Everything that is wrong with it, each with its JSON pointer.
pub fn parse_value(value: &Value) -> Result<Parsed, Vec<Invalid>> {
    let mut reader = Reader {
        faults: Vec::new(),
        notes: Vec::new(),
        rules: 0,
    };
    let floors = reader.floors(value);
    if reader.faults.is_empty() {
        Ok(Parsed {
            floors,
            notes: reader.notes,
        })
    } else {
        Err(reader.faults)
    }
}

struct Reader {
    faults: Vec<Invalid>,
    notes: Vec<Invalid>,
    rules: usize,
}

/// Fields that say where a file came from, or speak to bidders in a browser.
const WITHOUT_EFFECT: [&str; 8] = [
    "floorProvider",
    "modelTimestamp",
    "modelVersion",
    "location",
    "fetchStatus",
    "noFloorSignalBidders",
    "useFetchDataRate",
    "skipped",
];

impl Reader {
    fn fault(&mut self, pointer: &str, problem: impl Into<String>) {
        self.faults.push(Invalid::new(pointer, problem));
    }

    fn object<'v>(
        &mut self,
        pointer: &str,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.fault(pointer, "expected an object");
            return None;
        };
        for name in object.keys() {
            if !known.contains(&name.as_str()) && !WITHOUT_EFFECT.contains(&name.as_str()) {
                let problem = format!("unknown field, expected one of {}", known.join(", "));
                self.fault(&join(pointer, name), problem);
            }
        }
        Some(object)
    }

    fn floors(&mut self, value: &Value) -> Floors {
        let mut floors = Floors::default();
        if value.get("modelGroups").is_some() {
            self.data("", value, None, &mut floors);
            return floors;
        }
        let known = [
            "enabled",
            "floorMin",
            "floorMinCur",
            "skipRate",
            "enforcement",
            "data",
        ];
        let Some(object) = self.object("", value, &known) else {
            return floors;
        };
        let flag = self.flag("", object, "enabled");
        floors.enabled = flag.unwrap_or(true);
        floors.min = self.price("/floorMin", object.get("floorMin"));
        let min_currency = self.currency("", object, "floorMinCur");
        let skip = self.percent("", object, "skipRate");
        if let Some(value) = object.get("enforcement") {
            floors.enforcement = self.enforcement(value);
        }
        if let Some(data) = object.get("data") {
            self.data("/data", data, skip, &mut floors);
        }
        let first_group = floors.groups.first().map(|group| group.currency);
        floors.min_currency = min_currency.or(first_group).unwrap_or(crate::price::USD);
        floors
    }

    fn enforcement(&mut self, value: &Value) -> Enforcement {
        let at = "/enforcement";
        let known = [
            "enforcePBS",
            "floorDeals",
            "enforceRate",
            "bidAdjustment",
            "enforceJS",
        ];
        let Some(object) = self.object(at, value, &known) else {
            return Enforcement::default();
        };
        self.flag(at, object, "bidAdjustment");
        self.flag(at, object, "enforceJS");
        let enforced = self.flag(at, object, "enforcePBS").unwrap_or(true);
        let rate = self.percent(at, object, "enforceRate").unwrap_or(100);
        let deals = self.flag(at, object, "floorDeals").unwrap_or(false);
        Enforcement {
            percent: if enforced { rate } else { 0 },
            deals,
        }
    }

    fn data(&mut self, at: &str, value: &Value, skip: Option<u8>, floors: &mut Floors) {
        let known = ["currency", "skipRate", "floorsSchemaVersion", "modelGroups"];
        let Some(object) = self.object(at, value, &known) else {
            return;
        };
        if let Some(version) = object.get("floorsSchemaVersion")
            && !matches!(version.as_i64(), Some(1 | 2))
            && !matches!(version.as_str(), Some("1" | "2"))
        {
            let problem = format!("expected 2, found {version}");
            self.fault(&join(at, "floorsSchemaVersion"), problem);
        }
        let currency = self.currency(at, object, "currency");
        let skip = self.percent(at, object, "skipRate").or(skip);
        let pointer = join(at, "modelGroups");
        match object.get("modelGroups").and_then(Value::as_array) {
            None => self.fault(&pointer, "expected a list of model groups"),
            Some(groups) if groups.len() > MAX_GROUPS => {
                self.fault(&pointer, format!("more than {MAX_GROUPS} model groups"));
            }
            Some(groups) => {
                for (index, group) in groups.iter().enumerate() {
                    let at = format!("{pointer}/{index}");
                    let group = self.group(&at, group, currency, skip.unwrap_or(0));
                    floors.groups.extend(group);
                }
            }
        }
    }

    fn group(
        &mut self,
        at: &str,
        value: &Value,
        currency: Option<Currency>,
        skip: u8,
    ) -> Option<Group> {
        let known = [
            "currency",
            "modelWeight",
            "skipRate",
            "schema",
            "values",
            "default",
        ];
        let object = self.object(at, value, &known)?;
        let weight = self.weight(at, object);
        let own = self.currency(at, object, "currency");
        let skip_percent = self.percent(at, object, "skipRate").unwrap_or(skip);
        let default = self.price(&join(at, "default"), object.get("default"));
        let rules = match object.get("schema") {
            Some(schema) => self.rules(at, schema, object.get("values")),
            None if object.get("values").is_none() && default.is_some() => Rules::default(),
            None => {
                self.fault(&join(at, "schema"), "required where there are values");
                Rules::default()
            }
        };
        let version = object
            .get("modelVersion")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Some(Group {
            version: version.into(),
            weight,
            skip_percent,
            currency: own.or(currency).unwrap_or(crate::price::USD),
            default,
            rules,
        })
    }

    fn weight(&mut self, at: &str, object: &Map<String, Value>) -> u32 {
        let Some(weight) = object.get("modelWeight").filter(|weight| !weight.is_null()) else {
            return 1;
        };
        if let Some(weight @ 1..=100) = weight.as_u64() {
            return weight as u32;
        }
        let problem = format!("expected 1 to 100, found {weight}");
        self.fault(&join(at, "modelWeight"), problem);
        1
    }

    fn rules(&mut self, at: &str, schema: &Value, values: Option<&Value>) -> Rules {
        let pointer = join(at, "schema");
        let Some(object) = self.object(&pointer, schema, &["fields", "delimiter"]) else {
            return Rules::default();
        };
        let delimiter = self.delimiter(&pointer, object.get("delimiter"));
        let fields = self.fields(&join(&pointer, "fields"), object.get("fields"));
        let mut rules = Rules::new(fields);
        let pointer = join(at, "values");
        let Some(values) = values.and_then(Value::as_object) else {
            self.fault(&pointer, "expected an object of rules and prices");
            return rules;
        };
        self.rules += values.len();
        if self.rules > MAX_RULES {
            self.fault(&pointer, format!("more than {MAX_RULES} rules"));
            return rules;
        }
        for (index, (rule, price)) in values.iter().enumerate() {
            let at = join(&pointer, rule);
            let Some(price) = self.price(&at, Some(price)) else {
                continue;
            };
            let hit = Hit {
                rule: index as u32,
                price,
            };
            let problem = match rules.insert(rule, delimiter, hit) {
                Ok(()) => continue,
                Err(Unusable::Parts(found)) => {
                    let fields = rules.fields().len();
                    format!("ignored: the rule has {found} parts for {fields} fields")
                }
                Err(Unusable::Repeated) => {
                    "ignored: another rule matches the same values".to_owned()
                }
            };
            self.notes.push(Invalid::new(at, problem));
        }
        rules
    }

    fn delimiter(&mut self, at: &str, value: Option<&Value>) -> char {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return '|';
        };
        let mut chars = value.as_str().unwrap_or_default().chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) if only != '*' => only,
            _ => {
                let problem = format!("expected one character other than *, found {value}");
                self.fault(&join(at, "delimiter"), problem);
                '|'
            }
        }
    }

    fn fields(&mut self, at: &str, value: Option<&Value>) -> Vec<Field> {
        let mut fields = Vec::new();
        let names = value
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if names.is_empty() {
            self.fault(at, "expected a list of field names");
        }
        for (index, name) in names.iter().enumerate() {
            let pointer = format!("{at}/{index}");
            match name.as_str().and_then(Field::named) {
                Some(field) if fields.contains(&field) => {
                    self.fault(&pointer, format!("{name} stands twice"));
                }
                Some(field) => fields.push(field),
                None => {
                    let known: Vec<&str> = Field::ALL.iter().map(|(name, _)| *name).collect();
                    let known = known.join(", ");
                    self.fault(&pointer, format!("expected one of {known}, found {name}"));
                }
            }
        }
        fields
    }

    fn flag(&mut self, at: &str, object: &Map<String, Value>, name: &str) -> Option<bool> {
        let value = object.get(name).filter(|value| !value.is_null())?;
        if value.as_bool().is_none() {
            self.fault(
                &join(at, name),
                format!("expected true or false, found {value}"),
            );
        }
        value.as_bool()
    }

    fn percent(&mut self, at: &str, object: &Map<String, Value>, name: &str) -> Option<u8> {
        let value = object.get(name).filter(|value| !value.is_null())?;
        let percent = value.as_u64().filter(|percent| *percent <= 100);
        if percent.is_none() {
            self.fault(&join(at, name), format!("expected 0 to 100, found {value}"));
        }
        percent.map(|percent| percent as u8)
    }

    fn currency(&mut self, at: &str, object: &Map<String, Value>, name: &str) -> Option<Currency> {
        let value = object.get(name).filter(|value| !value.is_null())?;
        let currency = value.as_str().and_then(|code| code.parse().ok());
        if currency.is_none() {
            let problem = format!("expected a currency code such as EUR, found {value}");
            self.fault(&join(at, name), problem);
        }
        currency
    }

    fn price(&mut self, at: &str, value: Option<&Value>) -> Option<Cpm> {
        let value = value.filter(|value| !value.is_null())?;
        let price = value.as_f64().and_then(crate::price::from_wire);
        if price.is_none() {
            self.fault(at, format!("expected a price of 0 or more, found {value}"));
        }
        price
    }
}

/// A JSON pointer (RFC 6901) one level deeper.
fn join(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_whole_or_as_its_data() {
        let data = r#"{"currency":"EUR","floorsSchemaVersion":2,"modelGroups":[{"modelVersion":"v",
            "schema":{"fields":["mediaType","size"]},"values":{"banner|*":1.5,"x":2},
            "default":0.3}]}"#;
        let whole = format!(r#"{{"floorMin":0.1,"skipRate":5,"data":{data}}}"#);
        let parsed = parse(&whole).unwrap();
        assert_eq!(parsed.floors.groups.len(), 1);
        assert_eq!(parsed.floors.groups[0].skip_percent, 5);
        assert_eq!(parsed.floors.min, Some(Cpm(100_000)));
        assert_eq!(parsed.notes.len(), 1);
        assert_eq!(parsed.notes[0].field, "/data/modelGroups/0/values/x");
        assert_eq!(parse(data).unwrap().floors.groups[0].skip_percent, 0);
    }

    #[test]
    fn every_fault_is_told_with_its_pointer() {
        let text = r#"{"enabled":"yes","skipRate":101,"surprise":1,"enforcement":{"x":1},
            "data":{"currency":"euro","modelGroups":[
                {"modelWeight":0,"schema":{"fields":["planet","size","size"],"delimiter":"||"},
                 "values":{"a/b":-1},"default":1e9},
                {"values":{}}]}}"#;
        let mut pointers: Vec<String> = parse(text)
            .unwrap_err()
            .into_iter()
            .map(|fault| fault.field)
            .collect();
        pointers.sort();
        assert_eq!(
            pointers,
            [
                "/data/currency",
                "/data/modelGroups/0/default",
                "/data/modelGroups/0/modelWeight",
                "/data/modelGroups/0/schema/delimiter",
                "/data/modelGroups/0/schema/fields/0",
                "/data/modelGroups/0/schema/fields/2",
                "/data/modelGroups/0/values/a~1b",
                "/data/modelGroups/1/schema",
                "/enabled",
                "/enforcement/x",
                "/skipRate",
                "/surprise",
            ]
        );
        assert_eq!(parse("[").unwrap_err().len(), 1);
        assert_eq!(parse("[]").unwrap_err()[0].problem, "expected an object");
    }
}
