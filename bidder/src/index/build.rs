//! Builds the index, one line item after the other.

use super::names::{Names, Sides};
use super::{AUDIENCE, Circles, Index, Place, Postings, RADIUS, SLOT};
use crate::bits::{Set, words_for};
use crate::catalog::{Circle, Dimension, Rule, Subject, Targeting, Value};
use crate::intake::Features;
use crate::modify::Modifier;
use audience::SegmentId;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::sync::Arc;

/// A subject is intersected where at least one of so many line items is constrained by it; the
/// others are looked at on what is left.
const WORTH: usize = 64;

/// Segments of one line item, by id; names that nobody has are gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    /// The group that the index looks at; `None` where the line item asks for no segment.
    pub(super) indexed: Option<Box<[SegmentId]>>,
    /// The groups that are verified.
    pub(super) others: Box<[Box<[SegmentId]>]>,
    excluded: Box<[SegmentId]>,
    /// Whether the line item refuses any segment, known or not.
    pub(super) excludes: bool,
}

impl Groups {
    pub(crate) fn new(
        audience: &crate::catalog::Audience,
        mut id: impl FnMut(&str) -> Option<SegmentId>,
    ) -> Self {
        let mut group = |names: &Vec<String>| -> Box<[SegmentId]> {
            names.iter().filter_map(|n| id(n)).collect()
        };
        let mut include: Vec<_> = audience.include.iter().map(&mut group).collect();
        // The group with the fewest names is usually the rarest.
        include.sort_by_key(|group| group.len());
        let mut include = include.into_iter();
        Self {
            indexed: include.next(),
            others: include.collect(),
            excluded: group(&audience.exclude),
            excludes: !audience.exclude.is_empty(),
        }
    }

    /// Whether a user whose segments are known passes what the index does not look at.
    pub(crate) fn hold(&self, features: &Features) -> bool {
        let absent = !(features.segments_dropped() && self.excludes);
        absent && self.others.iter().all(|group| features.in_any(group))
    }
}

/// One subject while it is built.
#[derive(Default)]
struct Draft {
    names: Names,
    /// Line items that ask for something.
    closed: Vec<u32>,
    values: Vec<(Vec<u32>, Vec<u32>)>,
    used: bool,
}

impl Draft {
    fn add(&mut self, item: u32, sides: &Sides) {
        self.used = true;
        if let Some(asked) = &sides.asked {
            self.closed.push(item);
            for &value in asked {
                self.at(value).0.push(item);
            }
        }
        for &value in &sides.refused {
            self.at(value).1.push(item);
        }
    }

    fn at(&mut self, value: u32) -> &mut (Vec<u32>, Vec<u32>) {
        let value = value as usize;
        if value >= self.values.len() {
            self.values.resize_with(value + 1, Default::default);
        }
        &mut self.values[value]
    }

    fn finish(mut self, subject: Subject, universe: usize) -> Place {
        self.values.resize_with(self.names.len(), Default::default);
        let set = |list| Set::new(list, universe);
        let mut closed = self.closed.iter().peekable();
        let open = (0..universe as u32).filter(|item| closed.next_if_eq(&item).is_none());
        let open = open.collect();
        Place {
            subject,
            names: Arc::new(self.names),
            postings: Postings {
                constrained: !self.closed.is_empty(),
                open: set(open),
                values: self
                    .values
                    .into_iter()
                    .map(|(asked, refused)| (set(asked), set(refused)))
                    .collect(),
            },
        }
    }
}

/// Builds an [`Index`], one line item after the other.
pub(crate) struct Builder {
    drafts: Vec<(Subject, Draft)>,
    /// Places of the subjects that line items name.
    named: HashMap<Subject, u16, FixedState>,
    index: Index,
}

impl Default for Builder {
    fn default() -> Self {
        let of = |dimension: &Dimension| (Subject::Of(*dimension), Draft::default());
        Self {
            drafts: Dimension::ALL.iter().map(of).collect(),
            named: HashMap::default(),
            index: Index::default(),
        }
    }
}

impl Places for Builder {
    fn names(&mut self, subject: &Subject) -> (u16, &mut Names) {
        let place = match subject {
            Subject::Of(dimension) => *dimension as u16,
            Subject::Metric(_) | Subject::Ext(_) => {
                let next = self.drafts.len() as u16;
                let place = *self.named.entry(subject.clone()).or_insert(next);
                if place == next {
                    self.drafts.push((subject.clone(), Draft::default()));
                }
                place
            }
        };
        (place, &mut self.drafts[usize::from(place)].1.names)
    }
}

impl Builder {
    /// Adds the next line item: its targeting, its segments, and the slots of its creatives.
    pub(crate) fn add(&mut self, targeting: &Targeting, groups: Groups, slots: &[u64]) {
        let item = self.index.ends.len() as u32;
        let own = Own::new(targeting, groups, self).in_slots(slots, self);
        for (place, sides) in &own.sides {
            self.drafts[usize::from(*place)].1.add(item, sides);
        }
        self.index.rules.extend_from_slice(&own.order);
        self.index.ends.push(self.index.rules.len() as u32);
        self.index.groups.push(own.groups);
        if let Some(circles) = own.circles {
            self.index.circles.insert(item, circles);
        }
    }

    /// Gives the line item that was added last its modifiers.
    pub(crate) fn modify(&mut self, modifiers: Option<Arc<[Modifier]>>) {
        let Some(modifiers) = modifiers else { return };
        for place in modifiers.iter().flat_map(Modifier::places) {
            self.drafts[usize::from(place)].1.used = true;
        }
        let item = self.index.ends.len() as u32 - 1;
        self.index.modifiers.insert(item, modifiers);
    }

    /// The finished index.
    pub(crate) fn finish(self) -> Index {
        let mut index = self.index;
        let universe = index.ends.len();
        index.words = words_for(universe);
        let used: Vec<bool> = self.drafts.iter().map(|(_, draft)| draft.used).collect();
        index.in_use = (0..)
            .zip(used)
            .filter(|(_, used)| *used)
            .map(|(place, _)| place)
            .collect();
        let finish = |(subject, draft): (Subject, Draft)| draft.finish(subject, universe);
        index.places = self.drafts.into_iter().map(finish).collect();
        index.sort_out();
        index
    }
}

impl Index {
    /// Finds the places in use that are worth an intersection, and those worth a subtraction.
    pub(super) fn sort_out(&mut self) {
        let universe = self.ends.len();
        let asked = |place: &u16| {
            let open = self.at(*place).postings.open.count() as usize;
            (universe - open) * WORTH > universe
        };
        let refused = |place: &u16| {
            let dense = |(_, refused): &(Set, Set)| matches!(refused, Set::Dense { .. });
            self.at(*place).postings.values.iter().any(dense)
        };
        let in_use = || self.in_use.iter().copied();
        let (narrowing, refusing) = (
            in_use().filter(asked).collect(),
            in_use().filter(refused).collect(),
        );
        (self.narrowing, self.refusing) = (narrowing, refusing);
    }
}

/// Where subjects have their place and their values.
pub(crate) trait Places {
    /// The place of a subject, a new one where it has none, and its values.
    fn names(&mut self, subject: &Subject) -> (u16, &mut Names);
}

/// Targeting in the index's numbers.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) sides: Vec<(u16, Sides)>,
    /// The places of its rules, in the order of their subjects.
    pub(super) order: Vec<u16>,
    pub(crate) groups: Option<Arc<Groups>>,
    pub(crate) circles: Option<Arc<Circles>>,
}

impl Own {
    /// Rules and segments; what stands apart from them is left to the caller.
    pub(crate) fn new(targeting: &Targeting, groups: Groups, places: &mut impl Places) -> Self {
        let mut own = Self {
            sides: Vec::new(),
            order: Vec::new(),
            groups: None,
            circles: None,
        };
        let mut order: Vec<(Subject, u16)> = Vec::new();
        for (subject, rule) in targeting.rules.iter().filter(|(_, rule)| !rule.is_open()) {
            let (place, names) = places.names(subject);
            own.sides.push((place, sides(names, subject, rule)));
            order.push((subject.clone(), place));
            if place == RADIUS {
                own.circles = Some(Arc::new(circles(rule)));
            }
        }
        let subject = Subject::Of(Dimension::Audience);
        if let Some(sides) = segments(targeting, &groups, places.names(&subject).1) {
            own.sides.push((AUDIENCE, sides));
            order.push((subject, AUDIENCE));
            own.groups = Some(Arc::new(groups));
        }
        order.sort();
        own.order = order.into_iter().map(|(_, place)| place).collect();
        own
    }

    /// The same for one of these slots.
    pub(super) fn in_slots(mut self, slots: &[u64], places: &mut impl Places) -> Self {
        let (_, names) = places.names(&Dimension::Slot.into());
        let asked = slots.iter().map(|slot| names.add_code(*slot));
        let sides = Sides {
            asked: Some(asked.collect()),
            refused: Vec::new(),
        };
        self.sides.push((SLOT, sides));
        self
    }
}

/// What a line item asks of the user; `None` for nothing.
fn segments(targeting: &Targeting, groups: &Groups, names: &mut Names) -> Option<Sides> {
    let audience = &targeting.audience;
    let rule: Rule<()> = Rule {
        include: vec![(); audience.include.len()],
        exclude: vec![(); audience.exclude.len()],
        missing: audience.missing,
    };
    if rule.is_open() {
        return None;
    }
    let mut codes = |segments: &[SegmentId]| -> Vec<u32> {
        let codes = segments.iter().map(|id| u64::from(id.0));
        codes.map(|code| names.add_code(code)).collect()
    };
    let asked = groups.indexed.as_ref().map(|group| codes(group));
    let open = asked.is_none();
    let refused = codes(&groups.excluded);
    let asked = asked.unwrap_or_default();
    Some(Sides::new(asked, open, refused, rule.missing()))
}

fn sides(names: &mut Names, subject: &Subject, rule: &Rule<Value>) -> Sides {
    let kind = subject.kind();
    let unknown = super::serves(rule.missing());
    let asked = names.add_side(kind, &rule.include, unknown);
    let circles = matches!(subject, Subject::Of(Dimension::Radius));
    // A cell that a refused circle touches may be outside it: circles are verified.
    let refused = if circles { &[][..] } else { &rule.exclude };
    let refused = names.add_side(kind, refused, !unknown);
    Sides::new(asked, rule.include.is_empty(), refused, rule.missing())
}

fn circles(rule: &Rule<Value>) -> Circles {
    let of = |side: &[Value]| -> Vec<Circle> {
        let circle = |value: &Value| match value {
            Value::Circle(circle) => Some(*circle),
            _ => None,
        };
        side.iter().filter_map(circle).collect()
    };
    Circles {
        include: of(&rule.include),
        exclude: of(&rule.exclude),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Missing;
    use crate::dimension::MISSING;

    fn texts(list: &[&str]) -> Vec<Value> {
        list.iter()
            .map(|text| Value::Text((*text).to_owned()))
            .collect()
    }

    fn index(rules: Vec<Rule<Value>>) -> Index {
        let mut builder = Builder::default();
        for rule in rules {
            let targeting = Targeting::default().with(Dimension::Geo, rule);
            builder.add(&targeting, Groups::default(), &[]);
        }
        builder.finish()
    }

    #[test]
    fn a_missing_signal_fails_who_asks_and_passes_who_refuses_unless_they_say() {
        let policy = |missing, mut rule: Rule<Value>| {
            rule.missing = Some(missing);
            rule
        };
        let asks = || Rule::including(texts(&["FRA"]));
        let refuses = || Rule::excluding(texts(&["FRA"]));
        let index = index(vec![
            Rule::default(),
            asks(),
            refuses(),
            policy(Missing::Serve, asks()),
            policy(Missing::Skip, refuses()),
        ]);
        let geo = &index.at(Dimension::Geo as u16);
        let passing =
            |values: &[u32]| [0, 1, 2, 3, 4].map(|item| geo.postings.admits(values, item));
        let france = geo.names.text("FRA").unwrap();
        assert_eq!(passing(&[MISSING]), [true, false, true, true, false]);
        assert_eq!(passing(&[france]), [true, true, false, true, false]);
        assert_eq!(passing(&[]), [true, false, true, false, true]);
        assert_eq!(geo.postings.estimate(&[france]), 5);
        assert_eq!(
            (index.rules_of(0), index.rules_of(1)),
            (&[][..], &[Dimension::Geo as u16][..])
        );
    }

    #[test]
    fn an_unknown_segment_is_held_by_nobody() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let audience = crate::catalog::Audience {
            include: vec![names(&["a", "b"]), names(&["nobody"])],
            exclude: names(&["nobody", "a"]),
            missing: None,
        };
        let id = |name: &str| (name != "nobody").then(|| SegmentId(u32::from(name.as_bytes()[0])));
        let groups = Groups::new(&audience, id);
        assert_eq!(groups.indexed.as_deref(), Some(&[][..]));
        assert_eq!(groups.others.len(), 1);
        assert_eq!(&*groups.excluded, [SegmentId(97)]);
    }
}
