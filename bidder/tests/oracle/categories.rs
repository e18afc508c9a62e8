//! Two small taxonomies, and by hand what a category of one is in the other.

use bidder::catalog::Taxonomies;

const FIRST: &str = "IAB Code\tTier\tIAB Category\n\
    IAB1\tTier 1\tArts\n\
    IAB2\tTier 1\tAutomotive\n\
    IAB2-3\tTier 2\tCoupes\n\
    IAB2-4\tTier 2\tVans\n\
    IAB7\tTier 1\tHealth & Fitness\n\
    IAB7-1\tTier 2\tRunning\n";
const THIRD: &str = "Relational ID System\t\t\t\n\
    Unique ID\tParent\tName\n\
    1\t\tAutomotive\n\
    2\t1\tCoupes\n\
    20\t\tHealth and Fitness\n\
    21\t20\tDiets\n";

pub(crate) fn taxonomies() -> Taxonomies {
    let mut taxonomies = Taxonomies::default();
    taxonomies.add(1, FIRST).unwrap();
    taxonomies.add(9, THIRD).unwrap();
    taxonomies
}

/// A category in another taxonomy.
pub(crate) struct Chain {
    /// Itself, or the nearest above it that the other taxonomy has, and all above.
    up: Vec<String>,
    /// What it could be, where only something above it is there.
    below: Vec<&'static str>,
}

impl Chain {
    /// Whether it is, or could be, one of these or below one of them.
    pub(crate) fn meets(&self, blocked: &[String]) -> bool {
        let below = |one: &String| self.below.contains(&one.as_str());
        blocked
            .iter()
            .any(|one| self.up.contains(one) || below(one))
    }

    /// Whether it is one of these or below one of them.
    pub(crate) fn within(&self, allowed: &[String]) -> bool {
        allowed.iter().any(|one| self.up.contains(one))
    }
}

/// The content taxonomies from 2.0 on number their categories alike.
fn family(taxonomy: i64) -> i64 {
    if [2, 5, 6, 7, 9].contains(&taxonomy) {
        9
    } else {
        taxonomy
    }
}

/// The category `cat` of `own` in `asked`; `None` where that says nothing of it.
pub(crate) fn chains(own: i64, cat: &str, asked: i64) -> Option<Chain> {
    let chain = |up: &[&str], below: &[&'static str]| {
        let up = up.iter().map(|one| (*one).to_owned()).collect();
        let below = below.to_vec();
        Some(Chain { up, below })
    };
    match (family(own), cat, family(asked)) {
        (1, cat, 1) => {
            let parent = cat.split('-').next().unwrap_or(cat);
            chain(&[cat, parent], &[])
        }
        (9, "2", 9) | (1, "IAB2-3", 9) => chain(&["2", "1"], &[]),
        (1, "IAB7-1", 9) => chain(&["20"], &["21"]),
        (9, "2", 1) => chain(&["IAB2-3", "IAB2"], &[]),
        (own, cat, asked) if own == asked => chain(&[cat], &[]),
        _ => None,
    }
}
