//! Targeting turned around: for each value of each dimension, the line items that ask for it and
//! those that refuse it. Built off the path, immutable on it.
//!
//! A dimension lets a line item pass when it asks for nothing there, or for one of the request's
//! values, and refuses none of them. A request without the signal has no values: whoever asks for
//! one does not pass, whoever only refuses does.
//!
//! Memory: for each value the smaller of a bit for every line item and four bytes for each of its
//! own, so that ten thousand line items over a thousand values take a few hundred kilobytes.

use crate::bits::{Set, words_for};
use crate::catalog::{Format, Targeting};
use audience::SegmentId;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::hash::Hash;

/// What targeting looks at, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Geo,
    /// Site domains and application bundles, two names of one thing: where it is shown.
    Inventory,
    DeviceType,
    OperatingSystem,
    /// One group of the user's segments; the others are verified on what is left.
    Audience,
    Exchange,
    Publisher,
    /// Format and size. Every line item asks for something here.
    Slot,
    /// `imp.tagid`. Belongs to an imp, so it is verified for each instead of intersected.
    Placement,
}

impl Dimension {
    pub(crate) const ALL: [Dimension; 9] = [
        Dimension::Geo,
        Dimension::Inventory,
        Dimension::DeviceType,
        Dimension::OperatingSystem,
        Dimension::Audience,
        Dimension::Exchange,
        Dimension::Publisher,
        Dimension::Slot,
        Dimension::Placement,
    ];
}

type Names<K> = HashMap<K, u32, FixedState>;

/// The line items of one dimension.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    /// Those that ask for nothing here.
    pub(crate) open: Set,
    /// Those that refuse anything here.
    pub(crate) refusers: Set,
    /// Those that ask for, and those that refuse, each value.
    pub(crate) values: Box<[(Set, Set)]>,
    /// Whether any line item asks for anything.
    pub(crate) constrained: bool,
}

impl Postings {
    /// Whether the dimension lets `item` pass for a request with `values`.
    #[inline]
    pub(crate) fn admits(&self, values: &[u32], item: u32) -> bool {
        let of = |value: &u32| &self.values[*value as usize];
        let asked = !self.constrained
            || self.open.contains(item)
            || values.iter().any(|value| of(value).0.contains(item));
        asked && !values.iter().any(|value| of(value).1.contains(item))
    }

    /// An upper bound of how many line items pass.
    pub(crate) fn estimate(&self, values: &[u32]) -> u32 {
        if !self.constrained {
            return u32::MAX;
        }
        let asked = values.iter().map(|v| self.values[*v as usize].0.count());
        self.open.count() + asked.sum::<u32>()
    }
}

/// Targeting of all line items, by value.
#[derive(Debug, Default)]
pub(crate) struct Index {
    dimensions: [Postings; Dimension::ALL.len()],
    pub(crate) geo: Names<Box<str>>,
    pub(crate) sites: Names<Box<str>>,
    pub(crate) apps: Names<Box<str>>,
    pub(crate) device_types: Names<i64>,
    pub(crate) operating_systems: Names<Box<str>>,
    pub(crate) segments: Names<SegmentId>,
    pub(crate) exchanges: Names<Box<str>>,
    pub(crate) publishers: Names<Box<str>>,
    pub(crate) slots: Names<u64>,
    pub(crate) placements: Names<Box<str>>,
    /// Line items with groups of segments that are verified.
    pub(crate) grouped: Set,
    /// Words of a set of all line items.
    pub(crate) words: usize,
}

impl Index {
    pub(crate) fn of(&self, dimension: Dimension) -> &Postings {
        &self.dimensions[dimension as usize]
    }
}

/// The slot of a banner of a size, of a banner of any size (0 × 0), or of another format.
pub(crate) fn slot(format: Format, w: i64, h: i64) -> u64 {
    const MOST: i64 = 0xff_ffff;
    let side = |side: i64| side.clamp(0, MOST) as u64;
    (format as u64) << 48 | side(w) << 24 | side(h)
}

/// Segments of one line item, by id; names that nobody has are gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    /// The group that the index looks at; `None` where the line item asks for no segment.
    pub(crate) indexed: Option<Box<[SegmentId]>>,
    /// The groups that are verified.
    pub(crate) others: Box<[Box<[SegmentId]>]>,
    pub(crate) excluded: Box<[SegmentId]>,
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
        }
    }
}

/// One dimension while it is built.
#[derive(Default)]
struct Draft {
    open: Vec<u32>,
    refusers: Vec<u32>,
    values: Vec<(Vec<u32>, Vec<u32>)>,
    items: u32,
}

impl Draft {
    /// Adds the next line item with the values that it asks for (`None` for nothing) and refuses.
    fn add(&mut self, asked: Option<&[u32]>, refused: &[u32]) {
        let item = self.items;
        self.items += 1;
        match asked {
            None => self.open.push(item),
            Some(values) => {
                for &value in values {
                    self.at(value).0.push(item);
                }
            }
        }
        for &value in refused {
            self.at(value).1.push(item);
        }
        if !refused.is_empty() {
            self.refusers.push(item);
        }
    }

    fn at(&mut self, value: u32) -> &mut (Vec<u32>, Vec<u32>) {
        let value = value as usize;
        if value >= self.values.len() {
            self.values.resize_with(value + 1, Default::default);
        }
        &mut self.values[value]
    }

    fn finish(mut self, names: usize) -> Postings {
        self.values.resize_with(names, Default::default);
        let universe = self.items as usize;
        let set = |list| Set::new(list, universe);
        Postings {
            constrained: self.open.len() < universe,
            open: set(self.open),
            refusers: set(self.refusers),
            values: self
                .values
                .into_iter()
                .map(|(a, r)| (set(a), set(r)))
                .collect(),
        }
    }
}

/// Builds an [`Index`], one line item after the other.
#[derive(Default)]
pub(crate) struct Builder {
    index: Index,
    drafts: [Draft; Dimension::ALL.len()],
    inventory: u32,
    grouped: Vec<u32>,
}

/// The value of a name, a new one where it has none.
fn value_of<K: Hash + Eq>(names: &mut Names<K>, name: K) -> u32 {
    let next = names.len() as u32;
    *names.entry(name).or_insert(next)
}

fn texts(names: &mut Names<Box<str>>, list: &[String], lower: bool) -> Vec<u32> {
    let name = |text: &String| -> Box<str> {
        if lower {
            text.to_ascii_lowercase().into_boxed_str()
        } else {
            Box::from(&**text)
        }
    };
    list.iter()
        .map(|text| value_of(names, name(text)))
        .collect()
}

fn codes<K: Hash + Eq + Copy>(names: &mut Names<K>, list: &[K]) -> Vec<u32> {
    list.iter().map(|code| value_of(names, *code)).collect()
}

impl Builder {
    /// Adds the next line item: its targeting, its segments, and the slots of its creatives.
    pub(crate) fn add(&mut self, targeting: &Targeting, groups: &Groups, slots: &[u64]) {
        if !groups.others.is_empty() {
            self.grouped.push(self.drafts[0].items);
        }
        let index = &mut self.index;
        let drafts = &mut self.drafts;
        let lists = [
            (Dimension::Geo, &mut index.geo, &targeting.geo, false),
            (
                Dimension::OperatingSystem,
                &mut index.operating_systems,
                &targeting.operating_systems,
                true,
            ),
            (
                Dimension::Exchange,
                &mut index.exchanges,
                &targeting.exchanges,
                false,
            ),
            (
                Dimension::Publisher,
                &mut index.publishers,
                &targeting.publishers,
                false,
            ),
            (
                Dimension::Placement,
                &mut index.placements,
                &targeting.placements,
                false,
            ),
        ];
        for (dimension, names, rule, lower) in lists {
            let asked = texts(names, &rule.include, lower);
            let refused = texts(names, &rule.exclude, lower);
            let asked = (!asked.is_empty()).then_some(&*asked);
            drafts[dimension as usize].add(asked, &refused);
        }
        let types = &mut index.device_types;
        let asked = codes(types, &targeting.device_types.include);
        let refused = codes(types, &targeting.device_types.exclude);
        let asked = (!asked.is_empty()).then_some(&*asked);
        drafts[Dimension::DeviceType as usize].add(asked, &refused);
        let asked = groups
            .indexed
            .as_ref()
            .map(|group| codes(&mut index.segments, group));
        let refused = codes(&mut index.segments, &groups.excluded);
        drafts[Dimension::Audience as usize].add(asked.as_deref(), &refused);
        let asked = codes(&mut index.slots, slots);
        drafts[Dimension::Slot as usize].add(Some(&asked), &[]);
        self.add_inventory(targeting);
    }

    /// Sites and applications have maps of their own and share their values.
    fn add_inventory(&mut self, targeting: &Targeting) {
        let (sites, apps) = (&mut self.index.sites, &mut self.index.apps);
        let next = &mut self.inventory;
        let mut value = |names: &mut Names<Box<str>>, text: &str| {
            *names.entry(Box::from(text)).or_insert_with(|| {
                *next += 1;
                *next - 1
            })
        };
        let mut both = |on_sites: &[String], in_apps: &[String]| {
            let mut values = Vec::new();
            for site in on_sites {
                values.push(value(sites, &site.to_ascii_lowercase()));
            }
            for app in in_apps {
                values.push(value(apps, app));
            }
            values
        };
        let asked = both(&targeting.sites.include, &targeting.apps.include);
        let refused = both(&targeting.sites.exclude, &targeting.apps.exclude);
        let asked = (!asked.is_empty()).then_some(&*asked);
        self.drafts[Dimension::Inventory as usize].add(asked, &refused);
    }

    /// The finished index.
    pub(crate) fn finish(self) -> Index {
        let mut index = self.index;
        let universe = self.drafts[0].items as usize;
        index.words = words_for(universe);
        index.grouped = Set::new(self.grouped, universe);
        for (dimension, draft) in Dimension::ALL.into_iter().zip(self.drafts) {
            let names = match dimension {
                Dimension::Geo => index.geo.len(),
                Dimension::Inventory => self.inventory as usize,
                Dimension::DeviceType => index.device_types.len(),
                Dimension::OperatingSystem => index.operating_systems.len(),
                Dimension::Audience => index.segments.len(),
                Dimension::Exchange => index.exchanges.len(),
                Dimension::Publisher => index.publishers.len(),
                Dimension::Slot => index.slots.len(),
                Dimension::Placement => index.placements.len(),
            };
            index.dimensions[dimension as usize] = draft.finish(names);
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rule;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_missing_signal_fails_who_asks_and_passes_who_refuses() {
        let mut builder = Builder::default();
        let rule = |include: &[&str], exclude: &[&str]| Targeting {
            geo: Rule {
                include: texts(include),
                exclude: texts(exclude),
            },
            ..Targeting::default()
        };
        for targeting in [rule(&[], &[]), rule(&["FRA"], &[]), rule(&[], &["FRA"])] {
            builder.add(
                &targeting,
                &Groups::default(),
                &[slot(Format::Native, 0, 0)],
            );
        }
        let index = builder.finish();
        let geo = index.of(Dimension::Geo);
        let passing = |values: &[u32]| [0, 1, 2].map(|item| geo.admits(values, item));
        assert_eq!(passing(&[]), [true, false, true]);
        assert_eq!(passing(&[index.geo["FRA"]]), [true, true, false]);
        assert_eq!(geo.estimate(&[index.geo["FRA"]]), 3);
        assert_eq!(geo.refusers.count(), 1);
    }

    #[test]
    fn sites_and_applications_are_one_list() {
        let mut builder = Builder::default();
        let targeting = Targeting {
            sites: Rule {
                include: texts(&["News.example"]),
                exclude: vec![],
            },
            apps: Rule {
                include: texts(&["com.news"]),
                exclude: vec![],
            },
            ..Targeting::default()
        };
        builder.add(&targeting, &Groups::default(), &[]);
        let index = builder.finish();
        let inventory = index.of(Dimension::Inventory);
        assert!(inventory.admits(&[index.sites["news.example"]], 0));
        assert!(inventory.admits(&[index.apps["com.news"]], 0));
        assert!(!inventory.admits(&[], 0));
    }

    #[test]
    fn an_unknown_segment_is_held_by_nobody() {
        let audience = crate::catalog::Audience {
            include: vec![texts(&["a", "b"]), texts(&["nobody"])],
            exclude: texts(&["nobody", "a"]),
        };
        let id = |name: &str| (name != "nobody").then(|| SegmentId(u32::from(name.as_bytes()[0])));
        let groups = Groups::new(&audience, id);
        assert_eq!(groups.indexed.as_deref(), Some(&[][..]));
        assert_eq!(groups.others.len(), 1);
        assert_eq!(&*groups.excluded, [SegmentId(97)]);
    }
}
