//! Where, when and to whom a line item is shown, as plain values.
//!
//! A rule says for one subject what a request must have, what it must not have, and what becomes
//! of a request that does not say. [`Dimension`] is the table of the subjects that every request
//! may speak about; metrics and `ext` paths are subjects that line items name themselves.

pub use crate::dimension::{Dimension, ExtPath, Kind};
use std::collections::BTreeMap;
use std::fmt;

/// What becomes of a request that does not carry the signal of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// The rule lets it pass.
    Serve,
    /// The rule stops it.
    Skip,
}

/// Values that must or must not be there. An empty `include` allows everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<T> {
    /// At least one of these, unless empty.
    pub include: Vec<T>,
    /// None of these.
    pub exclude: Vec<T>,
    /// What becomes of a request without the signal; see [`Rule::missing`] for `None`.
    pub missing: Option<Missing>,
}

impl<T> Default for Rule<T> {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            missing: None,
        }
    }
}

impl<T> Rule<T> {
    /// A rule that asks for one of `include`.
    pub fn including(include: Vec<T>) -> Self {
        Self {
            include,
            ..Self::default()
        }
    }

    /// A rule that refuses each of `exclude`.
    pub fn excluding(exclude: Vec<T>) -> Self {
        Self {
            exclude,
            ..Self::default()
        }
    }

    /// What becomes of a request without the signal. Where the rule does not say, whoever asks
    /// for something does not get what is not known, and whoever only refuses does.
    pub fn missing(&self) -> Missing {
        let implied = if self.include.is_empty() {
            Missing::Serve
        } else {
            Missing::Skip
        };
        self.missing.unwrap_or(implied)
    }

    /// Whether the rule restricts nothing.
    pub fn is_open(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty() && self.missing() == Missing::Serve
    }
}

impl<T: PartialEq> Rule<T> {
    /// Whether a known value passes.
    pub fn allows(&self, value: &T) -> bool {
        (self.include.is_empty() || self.include.contains(value)) && !self.exclude.contains(value)
    }
}

/// What a rule is about. The order is that in which the first failing rule is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A dimension of the table.
    Of(Dimension),
    /// `imp.metric[].value` of this `type`, in thousandths.
    Metric(String),
    /// What stands at a path below some `ext`.
    Ext(ExtPath),
}

impl Subject {
    /// Whether line items name it themselves.
    pub fn is_named(&self) -> bool {
        match self {
            Self::Of(_) => false,
            Self::Metric(_) | Self::Ext(_) => true,
        }
    }

    /// The form of its values.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Of(dimension) => dimension.kind(),
            Self::Metric(_) => Kind::Number { bits: 20 },
            Self::Ext(_) => Kind::Text,
        }
    }
}

impl From<Dimension> for Subject {
    fn from(dimension: Dimension) -> Self {
        Self::Of(dimension)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(dimension) => f.write_str(dimension.label()),
            Self::Metric(kind) => write!(f, "metrics/{kind}"),
            Self::Ext(path) => write!(f, "ext/{path}"),
        }
    }
}

/// A version of software, ordered. Each part after the second digit group is bounded (1,023,
/// 127 and 127), so that build numbers do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub(crate) u32);

impl Version {
    /// The bits of a version.
    pub(crate) const BITS: u32 = 24;
    /// The highest version.
    pub const MAX: Version = Version((1 << Self::BITS) - 1);
    /// The lowest version.
    pub const MIN: Version = Version(0);

    /// The version of a text such as `17.2.1` or `10_15_7`: the lowest one that it may mean.
    /// `None` where it does not begin with a digit.
    pub fn lowest(text: &str) -> Option<Self> {
        Self::parse(text, [0; 3])
    }

    /// The highest version that a text may mean: `17` means all of 17.
    pub fn highest(text: &str) -> Option<Self> {
        Self::parse(text, [0, 127, 127])
    }

    fn parse(text: &str, parts: [u32; 3]) -> Option<Self> {
        Self::of(text.trim().split(['.', '_']), parts)
    }

    /// The lowest version of parts that stand apart.
    pub(crate) fn of_parts<'p>(given: impl Iterator<Item = &'p str>) -> Option<Self> {
        Self::of(given, [0; 3])
    }

    fn of<'p>(mut given: impl Iterator<Item = &'p str>, mut parts: [u32; 3]) -> Option<Self> {
        const MOST: [u32; 3] = [1_023, 127, 127];
        for (at, (part, most)) in parts.iter_mut().zip(MOST).enumerate() {
            let digits = given.next().unwrap_or_default();
            let end = digits.bytes().take_while(u8::is_ascii_digit).count();
            if end == 0 && at == 0 {
                return None;
            }
            if end == 0 {
                break;
            }
            *part = digits[..end].parse().map_or(most, |n: u32| n.min(most));
        }
        let [major, minor, patch] = parts;
        Some(Self(major << 14 | minor << 7 | patch))
    }
}

/// A circle on the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Circle {
    /// Latitude of the centre in millionths of a degree.
    pub lat_e6: i32,
    /// Longitude of the centre in millionths of a degree.
    pub lon_e6: i32,
    /// Radius in metres.
    pub radius_m: u32,
}

/// One value of a rule, in the form of its subject's [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A text or a domain.
    Text(String),
    /// The bundle of an application.
    Bundle(String),
    /// A code of a list; 0 and 1 for a flag.
    Code(i64),
    /// Numbers from the first to the second, both included.
    Numbers(u32, u32),
    /// Software of this name, of any version.
    Named(String),
    /// Software of this name, from one version to another, both included.
    Versions(String, Version, Version),
    /// A circle.
    Circle(Circle),
}

impl Value {
    /// Whether the value has the form of `kind`.
    pub fn is_of(&self, kind: Kind) -> bool {
        let software = kind == Kind::Version;
        match self {
            Self::Text(text) => {
                let texts = matches!(
                    kind,
                    Kind::Text | Kind::Lower | Kind::Category | Kind::Inventory
                );
                texts && !text.is_empty()
            }
            Self::Bundle(bundle) => kind == Kind::Inventory && !bundle.is_empty(),
            Self::Named(name) => software && !name.is_empty(),
            Self::Versions(name, from, to) => software && !name.is_empty() && from <= to,
            Self::Numbers(from, to) => matches!(kind, Kind::Number { .. }) && from <= to,
            Self::Code(_) => kind == Kind::Code,
            Self::Circle(_) => kind == Kind::Circle,
        }
    }
}

/// Where, when and to whom a line item is shown. All parts must agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targeting {
    /// Rules, at most one for each subject.
    pub rules: BTreeMap<Subject, Rule<Value>>,
    /// Formats; open for those of the creatives.
    pub formats: Rule<super::Format>,
    /// Sizes of banners; open for those of the creatives. A slot that leaves its size open is
    /// one without the signal.
    pub sizes: Rule<(u32, u32)>,
    /// Segments of the user.
    pub audience: Audience,
    /// Hours of the week of the advertiser.
    pub hours: Hours,
}

impl Targeting {
    /// Adds a rule, in place of one about the same subject.
    #[must_use]
    pub fn with(mut self, subject: impl Into<Subject>, rule: Rule<Value>) -> Self {
        self.rules.insert(subject.into(), rule);
        self
    }
}

/// Segments by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// At least one of each group.
    pub include: Vec<Vec<String>>,
    /// None of these.
    pub exclude: Vec<String>,
    /// What becomes of a request without any id of the user; as in [`Rule::missing`].
    pub missing: Option<Missing>,
}

impl Audience {
    /// What becomes of a request without any id of the user.
    pub fn missing(&self) -> Missing {
        let implied = if self.include.is_empty() {
            Missing::Serve
        } else {
            Missing::Skip
        };
        self.missing.unwrap_or(implied)
    }
}

/// Hours of a week, Monday 00:00 first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours([u64; 3]);

impl Hours {
    /// Hours of a week.
    pub const COUNT: u32 = 168;

    /// Every hour.
    pub const ALL: Hours = Hours([u64::MAX; 3]);

    /// No hour; add some with [`Hours::with`].
    pub const NONE: Hours = Hours([0; 3]);

    /// The same hours and hour `hour_of_week`, which counts from Monday 00:00.
    ///
    /// # Panics
    /// Where the hour is 168 or more.
    #[must_use]
    pub fn with(mut self, hour_of_week: u32) -> Self {
        assert!(hour_of_week < Self::COUNT, "a week has 168 hours");
        self.0[hour_of_week as usize / 64] |= 1 << (hour_of_week % 64);
        self
    }

    /// Whether the hour is among them.
    pub fn contains(&self, hour_of_week: u32) -> bool {
        hour_of_week < Self::COUNT
            && self.0[hour_of_week as usize / 64] >> (hour_of_week % 64) & 1 == 1
    }

    /// The hours of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// Whether there is no hour at all.
    pub fn is_empty(&self) -> bool {
        (0..Self::COUNT).all(|hour| !self.contains(hour))
    }
}

impl Default for Hours {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let low = |text| Version::lowest(text).unwrap();
        assert!(low("9.3") < low("10"));
        assert!(low("10_15_7") > low("10.15"));
        assert_eq!(low("17"), low("17.0.0"));
        assert_eq!(low("120.0.6099.71"), low("120.0.127"));
        assert_eq!(low("4.x"), low("4"));
        assert!(Version::highest("17").unwrap() > low("17.127.126"));
        assert!(Version::highest("17").unwrap() < low("18"));
        assert_eq!(Version::lowest("99999999999"), Version::lowest("1023"));
        for text in ["", "x", ".1", "NT 10"] {
            assert_eq!(Version::lowest(text), None, "{text}");
        }
    }

    #[test]
    fn who_asks_does_not_get_what_is_not_known() {
        assert_eq!(Rule::including(vec![1]).missing(), Missing::Skip);
        assert_eq!(Rule::excluding(vec![1]).missing(), Missing::Serve);
        assert!(Rule::<u8>::default().is_open());
        let skip = Rule::<u8> {
            missing: Some(Missing::Skip),
            ..Rule::default()
        };
        assert!(!skip.is_open());
    }
}
