//! Values of targeting that are texts, numbers and places.

use super::rules::{Naming, Term};
use crate::fault::{Fault, join};
use crate::model::{
    Domain, Id, InTaxonomy, Iso639, Located, Model, Name, Object, Path, Place, Postal, Size, Tag,
    Venue, Whole, refuse, shown,
};
use crate::resource::terms::Format;
use bidder::catalog::{Circle, Value as Wanted, Version};
use serde_json::{Map, Value, json};

/// Declares texts that are compared as they are, with what they cover beside themselves.
macro_rules! plain {
    ($( $name:ty $(, $covers:expr)?; )+) => { $(
        impl Term for $name {
            fn values(&self, values: &mut Vec<Wanted>) {
                values.push(Wanted::Text(self.0.clone()));
            }

            $( fn covers(&self, other: &Self) -> bool {
                let covers: fn(&str, &str) -> bool = $covers;
                self == other || covers(&self.0, &other.0)
            } )?
        }
    )+ };
}

plain! {
    Tag;
    Id;
    Iso639;
    Located, |one, other| one.eq_ignore_ascii_case(other);
    Venue;
    Place, |place, region| region.split_once('-').is_some_and(|(country, _)| country == place);
    Domain, |domain, below| below.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    Postal, |whole, part| whole.strip_suffix('*').is_some_and(|start| part.starts_with(start));
}

impl Term for InTaxonomy {
    fn values(&self, values: &mut Vec<Wanted>) {
        let named = self.0.contains(':');
        let text = if named {
            self.0.clone()
        } else {
            format!("1:{}", self.0)
        };
        values.push(Wanted::Text(text));
    }

    fn covers(&self, other: &Self) -> bool {
        let above = other
            .0
            .split_once('-')
            .filter(|_| other.0.starts_with("IAB"));
        self == other || above.is_some_and(|(above, _)| above == self.0)
    }
}

/// The bundle of an application.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle(pub Tag);

impl Model for Bundle {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        Tag::read(value, at, faults).map(Self)
    }

    fn write(&self) -> Value {
        self.0.write()
    }

    fn schema() -> Value {
        Tag::schema()
    }
}

impl Term for Bundle {
    fn values(&self, values: &mut Vec<Wanted>) {
        values.push(Wanted::Bundle(self.0.0.clone()));
    }
}

impl Term for Format {
    /// Formats are no rule of the bidder's: they choose creatives.
    fn values(&self, _: &mut Vec<Wanted>) {}

    fn all(terms: &[Self]) -> bool {
        let every = [Self::Banner, Self::Video, Self::Audio, Self::Native];
        every.iter().all(|format| terms.contains(format))
    }
}

impl Term for Size {
    /// Sizes are no rule of the bidder's: they choose creatives.
    fn values(&self, _: &mut Vec<Wanted>) {}
}

/// Width to height, written `16:9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    w: u32,
    h: u32,
}

impl Ratio {
    fn parse(text: &str) -> Option<Self> {
        let side = |text: &str| -> Option<u32> {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let side = text.parse().ok()?;
            (digits && (1..=16_384).contains(&side)).then_some(side)
        };
        let (w, h) = text.split_once(':')?;
        let (w, h) = (side(w)?, side(h)?);
        let (mut by, mut rest) = (w, h);
        while rest != 0 {
            (by, rest) = (rest, by % rest);
        }
        Some(Self {
            w: w / by,
            h: h / by,
        })
    }
}

impl Model for Ratio {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let ratio = value.as_str().and_then(Self::parse);
        let found = || format!("expected a ratio such as 16:9, found {}", shown(value));
        ratio.or_else(|| refuse(faults, at, found()))
    }

    fn write(&self) -> Value {
        format!("{}:{}", self.w, self.h).into()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": r"^\d+:\d+$", "examples": ["16:9"] })
    }
}

impl Term for Ratio {
    fn values(&self, values: &mut Vec<Wanted>) {
        values.push(Wanted::Code(i64::from(self.w) << 32 | i64::from(self.h)));
    }
}

impl<const LOW: u32, const HIGH: u32> Term for Whole<LOW, HIGH> {
    fn values(&self, values: &mut Vec<Wanted>) {
        values.push(Wanted::Code(i64::from(self.0)));
    }
}

/// Numbers from one to another, both included, of which one may be left out; `UNIT` of the
/// bidder's numbers make up one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<const MOST: u32, const UNIT: u32> {
    from: Option<Whole<0, MOST>>,
    to: Option<Whole<0, MOST>>,
}

impl<const MOST: u32, const UNIT: u32> Span<MOST, UNIT> {
    fn bounds(&self) -> (u32, u32) {
        let to = self.to.map_or(u32::MAX, |to| to.0 * UNIT);
        (self.from.map_or(0, |from| from.0 * UNIT), to)
    }
}

impl<const MOST: u32, const UNIT: u32> Model for Span<MOST, UNIT> {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let object = Object::open(value, at, &["from", "to"], faults)?;
        let from: Option<Option<Whole<0, MOST>>> = object.optional("from", faults, || None);
        let to: Option<Option<Whole<0, MOST>>> = object.optional("to", faults, || None);
        let span = Self {
            from: from?,
            to: to?,
        };
        match (span.from, span.to) {
            (None, None) => refuse(faults, at, "expected from, to, or both"),
            (Some(from), Some(to)) if from > to => {
                let detail = format!("expected a number of at least from, {}", from.0);
                refuse(faults, &join(at, "to"), detail)
            }
            _ => Some(span),
        }
    }

    fn write(&self) -> Value {
        let mut object = Map::new();
        for (name, bound) in [("from", self.from), ("to", self.to)] {
            if let Some(bound) = bound {
                object.insert(name.to_owned(), bound.write());
            }
        }
        object.into()
    }

    fn schema() -> Value {
        let bound = Whole::<0, MOST>::schema();
        json!({
            "type": "object",
            "properties": { "from": bound, "to": bound },
            "additionalProperties": false,
            "minProperties": 1,
        })
    }
}

impl<const MOST: u32, const UNIT: u32> Term for Span<MOST, UNIT> {
    fn values(&self, values: &mut Vec<Wanted>) {
        let (from, to) = self.bounds();
        values.push(Wanted::Numbers(from, to));
    }

    fn covers(&self, other: &Self) -> bool {
        let ((from, to), (low, high)) = (self.bounds(), other.bounds());
        from <= low && high <= to
    }
}

/// Software of any version, by its name, or of some versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    name: Name,
    from: Option<Name>,
    to: Option<Name>,
}

impl Software {
    fn versions(&self) -> (Version, Version) {
        let from = self.from.as_ref().and_then(|from| Version::lowest(&from.0));
        let to = self.to.as_ref().and_then(|to| Version::highest(&to.0));
        (from.unwrap_or(Version::MIN), to.unwrap_or(Version::MAX))
    }

    fn any_version(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

impl Model for Software {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        if value.is_string() {
            let name = Name::read(value, at, faults)?;
            return Some(Self {
                name,
                from: None,
                to: None,
            });
        }
        let object = Object::open(value, at, &["name", "from", "to"], faults)?;
        let name = object.required("name", faults);
        let mut version = |field: &str| -> Option<Option<Name>> {
            let version: Option<Name> = object.optional(field, faults, || None)?;
            match &version {
                Some(text) if Version::lowest(&text.0).is_none() => {
                    let detail = format!("expected a version such as 17.2, found {:?}", text.0);
                    refuse(faults, &join(at, field), detail)
                }
                Some(_) | None => Some(version),
            }
        };
        let (from, to) = (version("from"), version("to"));
        let software = Self {
            name: name?,
            from: from?,
            to: to?,
        };
        let (from, to) = software.versions();
        if from > to {
            return refuse(
                faults,
                &join(at, "to"),
                "expected a version of at least from",
            );
        }
        Some(software)
    }

    fn write(&self) -> Value {
        if self.any_version() {
            return self.name.write();
        }
        let mut object = Map::new();
        object.insert("name".to_owned(), self.name.write());
        for (name, version) in [("from", &self.from), ("to", &self.to)] {
            if let Some(version) = version {
                object.insert(name.to_owned(), version.write());
            }
        }
        object.into()
    }

    fn schema() -> Value {
        let text = Name::schema();
        json!({ "anyOf": [text, {
            "type": "object",
            "properties": { "name": text, "from": text, "to": text },
            "required": ["name"],
            "additionalProperties": false,
        }] })
    }
}

impl Term for Software {
    fn values(&self, values: &mut Vec<Wanted>) {
        let name = self.name.0.clone();
        let (from, to) = self.versions();
        values.push(if self.any_version() {
            Wanted::Named(name)
        } else {
            Wanted::Versions(name, from, to)
        });
    }

    fn covers(&self, other: &Self) -> bool {
        let ((from, to), (low, high)) = (self.versions(), other.versions());
        self.name.0.eq_ignore_ascii_case(&other.name.0) && from <= low && high <= to
    }
}

/// A circle around a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Around {
    lat: Degrees<90>,
    lon: Degrees<180>,
    radius_m: Whole<100, 2_000_000>,
}

/// An angle in millionths of a degree, at most `MOST` degrees either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Degrees<const MOST: i32>(i32);

impl<const MOST: i32> Model for Degrees<MOST> {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let most = f64::from(MOST);
        match value.as_f64() {
            Some(degrees) if degrees.abs() <= most => Some(Self((degrees * 1e6).round() as i32)),
            _ => {
                let found = shown(value);
                let detail = format!("expected degrees from -{MOST} to {MOST}, found {found}");
                refuse(faults, at, detail)
            }
        }
    }

    fn write(&self) -> Value {
        (f64::from(self.0) / 1e6).into()
    }

    fn schema() -> Value {
        json!({ "type": "number", "minimum": -MOST, "maximum": MOST })
    }
}

impl Model for Around {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let object = Object::open(value, at, &["lat", "lon", "radius_m"], faults)?;
        let (lat, lon) = (
            object.required("lat", faults),
            object.required("lon", faults),
        );
        let radius_m = object.required("radius_m", faults);
        Some(Self {
            lat: lat?,
            lon: lon?,
            radius_m: radius_m?,
        })
    }

    fn write(&self) -> Value {
        let (lat, lon, radius_m) = (self.lat.write(), self.lon.write(), self.radius_m.write());
        json!({ "lat": lat, "lon": lon, "radius_m": radius_m })
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "lat": Degrees::<90>::schema(),
                "lon": Degrees::<180>::schema(),
                "radius_m": Whole::<100, 2_000_000>::schema(),
            },
            "required": ["lat", "lon", "radius_m"],
            "additionalProperties": false,
        })
    }
}

impl Term for Around {
    fn values(&self, values: &mut Vec<Wanted>) {
        values.push(Wanted::Circle(Circle {
            lat_e6: self.lat.0,
            lon_e6: self.lon.0,
            radius_m: self.radius_m.0,
        }));
    }
}

/// A value at an `ext` path: a text, a whole number, or true or false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar(Value);

impl Model for Scalar {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let whole = value.as_i64().is_some() || value.is_boolean();
        let text = value
            .as_str()
            .is_some_and(|text| (1..=200).contains(&text.len()));
        if whole || text {
            return Some(Self(value.clone()));
        }
        let found = shown(value);
        let detail = format!(
            "expected a text of 1 to 200 bytes, a whole number, true or false, found {found}"
        );
        refuse(faults, at, detail)
    }

    fn write(&self) -> Value {
        self.0.clone()
    }

    fn schema() -> Value {
        json!({ "type": ["string", "integer", "boolean"], "maxLength": 200 })
    }
}

impl Term for Scalar {
    fn values(&self, values: &mut Vec<Wanted>) {
        let text = self
            .0
            .as_str()
            .map_or_else(|| self.0.to_string(), str::to_owned);
        values.push(Wanted::Text(text));
    }
}

impl Naming for Path {
    const FIELD: &'static str = "path";
}

impl Naming for Tag {
    const FIELD: &'static str = "type";
}
