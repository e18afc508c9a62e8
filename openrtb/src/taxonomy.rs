//! Category taxonomies: what lies above a category, and what a category of one taxonomy is in
//! another.
//!
//! The IAB publishes each taxonomy as a table; an operator points to the files, none is carried
//! here. Categories are mapped between taxonomies by their names. One without a namesake counts
//! as the nearest above it that has one, and as anything below that: what may not be shown is
//! then refused rather than guessed. The content taxonomies from 2.0 on keep their numbers from
//! version to version and count as one.
//!
//! [`Taxonomies`] is for whoever compiles lists off the path; [`Categories`] answers on it: made
//! once, a lookup by hash and a walk of a few levels, no allocation.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

/// The content taxonomy 1.0, whose ids say what lies above: `IAB7` of `IAB7-39`.
pub const CONTENT_1: i64 = 1;
/// What stands for all content taxonomies from 2.0 on.
const CONTENT_2: i64 = 2;
/// Most levels of a taxonomy.
const MOST_LEVELS: usize = 8;

/// The taxonomies that an operator gave.
#[derive(Clone, Debug, Default)]
pub struct Taxonomies {
    families: HashMap<i64, Tree>,
}

#[derive(Clone, Debug, Default)]
struct Tree {
    parents: HashMap<String, String>,
    /// By normal name; a name that stands for several categories says nothing and is left out.
    named: HashMap<String, Option<String>>,
    names: HashMap<String, String>,
}

/// Why a taxonomy is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaxonomyFault {
    /// No line of the table names its columns.
    NoHeader,
    /// There is no category.
    Empty,
}

impl fmt::Display for TaxonomyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => {
                "expected a line that names the columns, with `Unique ID` or `IAB Code`, and then \
                 `Name` or `IAB Category`, apart by tabs"
            }
            Self::Empty => "has no category below its line of columns",
        })
    }
}

impl Error for TaxonomyFault {}

/// A category as another taxonomy knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Itself, or the nearest above it that has a namesake; then all above that.
    pub up: Vec<String>,
    /// What it could be besides, where it has no namesake.
    pub below: Vec<String>,
}

/// One number for taxonomies that number their categories alike.
pub fn family(cattax: i64) -> i64 {
    match cattax {
        0 => CONTENT_1,
        2 | 5 | 6 | 7 | 9 => CONTENT_2,
        other => other,
    }
}

impl Taxonomies {
    /// Adds the taxonomy of code `cattax` (`AdCOM` list) from the IAB's table: lines of columns
    /// apart by tabs, among them the id, the parent's id and the name.
    ///
    /// # Errors
    /// The table has no line of columns, or nothing below it.
    pub fn add(&mut self, cattax: i64, table: &str) -> Result<(), TaxonomyFault> {
        let mut lines = table.lines().map(|line| {
            let cells = line.trim_end_matches('\r').split('\t');
            cells.map(str::trim).collect::<Vec<_>>()
        });
        let columns = lines
            .by_ref()
            .find_map(|cells| Columns::of(&cells))
            .ok_or(TaxonomyFault::NoHeader)?;
        let mut tree = Tree::default();
        for cells in lines {
            let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
            let (id, name) = (cell(columns.id), cell(columns.name));
            if id.is_empty() || name.is_empty() {
                continue;
            }
            let stated = columns.parent.map(cell).unwrap_or_default();
            let parent = if stated.is_empty() {
                above(id)
            } else {
                Some(stated)
            };
            if let Some(parent) = parent.filter(|parent| *parent != id) {
                tree.parents.insert(id.to_owned(), parent.to_owned());
            }
            let name = normal(name);
            tree.named
                .entry(name.clone())
                .and_modify(|only| *only = None)
                .or_insert_with(|| Some(id.to_owned()));
            tree.names.insert(id.to_owned(), name);
        }
        if tree.names.is_empty() {
            return Err(TaxonomyFault::Empty);
        }
        self.families.insert(family(cattax), tree);
        Ok(())
    }

    /// The families whose categories can be compared with those of `own`.
    pub fn reachable(&self, own: i64) -> impl Iterator<Item = i64> {
        let others = self.families.keys().copied();
        let known = self.families.contains_key(&own);
        std::iter::once(own).chain(others.filter(move |other| known && *other != own))
    }

    /// Whether it is known what lies above a category: from the table, or from the ids.
    pub fn knows(&self, family: i64) -> bool {
        family == CONTENT_1 || self.families.contains_key(&family)
    }

    /// A category of family `own` as family `asked` knows it; `None` where that cannot be said.
    ///
    /// Within a family that nobody [`knows`](Self::knows), a category is no more than itself.
    pub fn map(&self, own: i64, cat: &str, asked: i64) -> Option<Mapped> {
        let tree = self.families.get(&own);
        if own == asked {
            let structural = own == CONTENT_1;
            let known = tree.is_some_and(|tree| tree.names.contains_key(cat));
            let up = match tree.filter(|_| known) {
                Some(tree) => tree.up(cat),
                None if structural || tree.is_none() => {
                    let parent = above(cat).map(str::to_owned);
                    std::iter::once(cat.to_owned()).chain(parent).collect()
                }
                None => return None,
            };
            let below = Vec::new();
            return Some(Mapped { up, below });
        }
        let (tree, target) = (tree?, self.families.get(&asked)?);
        let namesake = |id: &String| {
            let name = tree.names.get(id)?;
            target.named.get(name)?.clone()
        };
        let chain = tree.up(cat);
        let (level, found) = chain
            .iter()
            .enumerate()
            .find_map(|(level, id)| Some((level, namesake(id)?)))?;
        let below = if level == 0 {
            Vec::new()
        } else {
            target.below(&found)
        };
        let up = target.up(&found);
        Some(Mapped { up, below })
    }
}

/// What compares categories on the path.
#[derive(Clone, Debug, Default)]
pub struct Categories {
    taxonomies: Taxonomies,
    /// By the family of a category and the one in which it is asked for: what it is there.
    across: HashMap<(i64, i64), HashMap<String, Mapped>>,
}

impl Categories {
    /// Works out what every category of each taxonomy is in the others.
    pub fn new(taxonomies: Taxonomies) -> Self {
        let mut across = HashMap::new();
        for (own, tree) in &taxonomies.families {
            for asked in taxonomies.families.keys().filter(|asked| *asked != own) {
                let mapped = tree.names.keys().filter_map(|cat| {
                    let mapped = taxonomies.map(*own, cat, *asked)?;
                    Some((cat.clone(), mapped))
                });
                across.insert((*own, *asked), mapped.collect());
            }
        }
        Self { taxonomies, across }
    }

    /// Whether a category is `listed`, or is below one that is: itself in a list of its own
    /// family (see [`family`]), as its namesake in that of another. One that could be any of
    /// several is listed where one of them is, and one that cannot be compared always is.
    pub fn is_blocked(
        &self,
        (own, cat): (i64, &str),
        asked: i64,
        listed: impl Fn(&str) -> bool,
    ) -> bool {
        if own == asked {
            return self.is_within(own, cat, &listed);
        }
        let mapped = self.across.get(&(own, asked)).and_then(|all| all.get(cat));
        mapped.is_none_or(|Mapped { up, below }| up.iter().chain(below).any(|one| listed(one)))
    }

    /// Whether a category is certainly `listed` or below one that is.
    pub fn is_allowed(
        &self,
        (own, cat): (i64, &str),
        asked: i64,
        listed: impl Fn(&str) -> bool,
    ) -> bool {
        if own == asked {
            return self.is_within(own, cat, &listed);
        }
        let mapped = self.across.get(&(own, asked)).and_then(|all| all.get(cat));
        mapped.is_some_and(|Mapped { up, .. }| up.iter().any(|one| listed(one)))
    }

    /// Whether a category or one above it is listed: above by the table, else by the id.
    fn is_within(&self, own: i64, cat: &str, listed: &impl Fn(&str) -> bool) -> bool {
        let tree = self.taxonomies.families.get(&own);
        let known = tree.filter(|tree| tree.names.contains_key(cat));
        let mut at = Some(cat);
        for _ in 0..MOST_LEVELS {
            let Some(one) = at else { return false };
            if listed(one) {
                return true;
            }
            at = match known {
                Some(tree) => tree.parents.get(one).map(String::as_str),
                None => above(one),
            };
        }
        false
    }
}

struct Columns {
    id: usize,
    parent: Option<usize>,
    name: usize,
}

impl Columns {
    fn of(cells: &[&str]) -> Option<Self> {
        let at = |names: &[&str]| {
            cells
                .iter()
                .position(|cell| names.iter().any(|name| cell.eq_ignore_ascii_case(name)))
        };
        Some(Self {
            id: at(&["Unique ID", "IAB Code"])?,
            parent: at(&["Parent", "Parent ID"]),
            name: at(&["Name", "IAB Category"])?,
        })
    }
}

impl Tree {
    /// The category and all above it.
    fn up(&self, cat: &str) -> Vec<String> {
        let chain = std::iter::successors(Some(cat), |cat| Some(self.parents.get(*cat)?.as_str()));
        chain.take(MOST_LEVELS).map(str::to_owned).collect()
    }

    /// All categories below one.
    fn below(&self, cat: &str) -> Vec<String> {
        let ids = self.names.keys();
        let mut below: Vec<String> = ids
            .filter(|id| id.as_str() != cat && self.up(id).iter().any(|above| above == cat))
            .cloned()
            .collect();
        below.sort_unstable();
        below
    }
}

/// The category above, in taxonomies that write it into the id: `IAB7` of `IAB7-39`.
fn above(cat: &str) -> Option<&str> {
    cat.rsplit_once('-').map(|(parent, _)| parent)
}

/// A name without what differs between taxonomies: case, signs, and the word for `&`.
fn normal(name: &str) -> String {
    let words = name
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("and"));
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "IAB Code\tTier\tIAB Category\nIAB7\tTier 1\tHealth & Fitness\n\
        IAB7-1\tTier 2\tRunning\nIAB7-2\tTier 2\tYoga";
    const THIRD: &str = "a\nUnique ID\tParent\tName\n20\t\tHealth and Fitness\n21\t20\tYoga\n\
        22\t20\tDiets\n23\t22\tRunning\n24\t20\tRunning";

    fn both() -> Taxonomies {
        let mut both = Taxonomies::default();
        both.add(1, FIRST).unwrap();
        both.add(7, THIRD).unwrap();
        both
    }

    fn mapped(up: &[&str], below: &[&str]) -> Mapped {
        let texts = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        Mapped {
            up: texts(up),
            below: texts(below),
        }
    }

    #[test]
    fn namesakes_are_found_and_what_has_none_goes_to_the_nearest_above() {
        let both = both();
        let content = family(9);
        assert_eq!(
            both.map(1, "IAB7-2", content),
            Some(mapped(&["21", "20"], &[]))
        );
        // Two categories have this name, so neither is meant.
        let running = both.map(1, "IAB7-1", content);
        assert_eq!(running, Some(mapped(&["20"], &["21", "22", "23", "24"])));
        assert_eq!(
            both.map(content, "22", 1),
            Some(mapped(&["IAB7"], &["IAB7-1", "IAB7-2"]))
        );
        assert_eq!(both.map(content, "99", 1), None);
        assert_eq!(both.map(1, "IAB7-2", 8), None);
    }

    #[test]
    fn parents_are_known_by_table_or_by_id() {
        let both = both();
        let content = family(7);
        assert_eq!(
            both.map(content, "23", content),
            Some(mapped(&["23", "22", "20"], &[]))
        );
        assert_eq!(both.map(content, "99", content), None);
        assert_eq!(
            both.map(1, "IAB9-5", 1),
            Some(mapped(&["IAB9-5", "IAB9"], &[]))
        );
        let none = Taxonomies::default();
        assert_eq!(none.map(content, "23", content), Some(mapped(&["23"], &[])));
    }

    #[test]
    fn what_is_no_table_is_told() {
        let mut none = Taxonomies::default();
        assert_eq!(none.add(1, "a,b\nc,d"), Err(TaxonomyFault::NoHeader));
        let empty = none.add(1, "Unique ID\tParent\tName\n\n");
        assert_eq!(empty, Err(TaxonomyFault::Empty));
    }

    #[test]
    fn lists_are_asked_in_their_own_taxonomy() {
        let categories = Categories::new(both());
        let content = family(7);
        let blocked = |own, cat, asked, list: &[&str]| {
            categories.is_blocked((own, cat), asked, |one| list.contains(&one))
        };
        let allowed = |own, cat, asked, list: &[&str]| {
            categories.is_allowed((own, cat), asked, |one| list.contains(&one))
        };
        // Within one taxonomy: itself and what is above, by the table or by the id.
        assert!(blocked(1, "IAB7-2", 1, &["IAB7"]) && blocked(1, "IAB7-2", 1, &["IAB7-2"]));
        assert!(!blocked(1, "IAB7", 1, &["IAB7-2"]) && !blocked(1, "IAB70", 1, &["IAB7"]));
        assert!(blocked(1, "IAB9-5", 1, &["IAB9"]));
        assert!(
            blocked(content, "23", content, &["20"]) && !blocked(content, "23", content, &["2"])
        );
        // A number of one taxonomy is not that of another.
        assert!(!blocked(content, "21", 1, &["21"]));
        assert!(blocked(content, "21", 1, &["IAB7"]) && blocked(content, "21", 1, &["IAB7-2"]));
        assert!(!blocked(content, "21", 1, &["IAB8"]) && !blocked(content, "21", 1, &["IAB7-1"]));
        // Without a namesake it could be anything below.
        assert!(blocked(content, "22", 1, &["IAB7-1"]) && !allowed(content, "22", 1, &["IAB7-1"]));
        assert!(allowed(content, "22", 1, &["IAB7"]) && allowed(1, "IAB7-2", content, &["20"]));
        // What cannot be compared is blocked by any list, and allowed by none.
        assert!(blocked(8, "1003", 1, &["IAB7"]) && !allowed(8, "1003", 1, &["IAB7"]));
        assert!(blocked(content, "99", 1, &["IAB7"]));
        // Without tables, equal ids of one taxonomy are still equal.
        let none = Categories::default();
        assert!(none.is_blocked((content, "22"), content, |one| one == "22"));
        assert!(none.is_blocked((content, "22"), 1, |one| one == "IAB1"));
    }

    /// A table that goes round in circles ends all the same.
    #[test]
    fn circles_end() {
        let mut circle = Taxonomies::default();
        circle
            .add(8, "Unique ID\tParent\tName\n1\t2\tA\n2\t1\tB")
            .unwrap();
        assert_eq!(circle.map(8, "1", 8).unwrap().up.len(), MOST_LEVELS);
    }

    /// The IAB's own tables, where a folder of them is given.
    #[test]
    fn the_published_tables_are_read_and_mapped() {
        let Ok(corpus) = std::env::var("GAVEL_CORPUS") else {
            eprintln!("SKIPPED: set GAVEL_CORPUS to the folder that has taxonomy/content-1.0.tsv");
            return;
        };
        let mut all = Taxonomies::default();
        for (cattax, file) in [
            (1, "content-1.0"),
            (9, "content-3.1"),
            (8, "ad-product-2.0"),
        ] {
            let path = format!("{corpus}/taxonomy/{file}.tsv");
            all.add(cattax, &std::fs::read_to_string(path).unwrap())
                .unwrap();
        }
        let counts = [1, CONTENT_2, 8].map(|code| all.families[&code].names.len());
        assert!(
            counts[0] > 380 && counts[1] > 690 && counts[2] > 570,
            "{counts:?}"
        );
        let up = |own, cat, asked| all.map(own, cat, asked).map(|mapped| mapped.up);
        assert_eq!(up(1, "IAB2", CONTENT_2), Some(vec!["1".to_owned()]));
        assert_eq!(
            up(CONTENT_2, "151", CONTENT_2),
            Some(vec!["151".to_owned(), "150".to_owned()])
        );
        assert_eq!(
            up(8, "1003", 8),
            Some(vec!["1003".to_owned(), "1002".to_owned()])
        );
        let first = all.families[&1].names.keys();
        let mapped = first
            .filter(|cat| all.map(1, cat, CONTENT_2).is_some())
            .count();
        assert!(mapped > 200, "{mapped} of {} are mapped", counts[0]);
    }
}
