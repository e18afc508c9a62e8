//! Rules, and the tree of names that they compile into.

use std::fmt;

/// What becomes of one member. Paths are names joined by dots, such as `user.ext.eids`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is left out.
    Remove(String),
    /// It is put elsewhere, where it replaces what is there.
    Move {
        /// Where it is.
        from: String,
        /// Where it is put.
        to: String,
    },
}

/// Why a rule cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The path.
    pub path: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for Unfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} {}", self.path, self.problem)
    }
}

impl std::error::Error for Unfit {}

/// Members without which a request is none, or means what its sender did not mean.
const PROTECTED: [&str; 12] = [
    "id",
    "imp",
    "imp.id",
    "test",
    "regs",
    "regs.coppa",
    "regs.gdpr",
    "regs.gpp",
    "regs.gpp_sid",
    "regs.us_privacy",
    "regs.ext",
    "user.consent",
];

/// Lists of objects: nothing can be moved from inside one of their elements to outside of it.
const LISTS: [&str; 13] = [
    "imp",
    "metric",
    "format",
    "deals",
    "data",
    "segment",
    "eids",
    "uids",
    "nodes",
    "durfloors",
    "companionad",
    "browsers",
    "refsettings",
];

const MOST_NAMES: usize = 12;

/// A name on the way of some rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    children: Vec<(String, Node)>,
    /// Whether the member is left out.
    pub(super) removed: bool,
    /// What moves within the object.
    pub(super) moves: Vec<Moved>,
}

/// A value that moves, by paths below the object that holds both places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) from: Vec<String>,
    pub(super) to: Vec<String>,
}

impl Node {
    /// The node of a member.
    pub(super) fn child(&self, key: &[u8]) -> Option<&Node> {
        let found = self
            .children
            .iter()
            .find(|(name, _)| name.as_bytes() == key);
        found.map(|(_, node)| node)
    }

    fn at(&mut self, path: &[String]) -> &mut Node {
        let Some((name, rest)) = path.split_first() else {
            return self;
        };
        let known = self.children.iter().position(|(known, _)| known == name);
        let index = known.unwrap_or_else(|| {
            self.children.push((name.clone(), Node::default()));
            self.children.len() - 1
        });
        self.children[index].1.at(rest)
    }

    /// Adds a rule.
    pub(super) fn add(&mut self, rule: &Rule) -> Result<(), Unfit> {
        let unfit = |path: &str, problem| Unfit {
            path: path.to_owned(),
            problem,
        };
        match rule {
            Rule::Remove(path) if PROTECTED.contains(&&**path) => {
                Err(unfit(path, "must stay in a request"))
            }
            Rule::Remove(path) => self.remove(path, &names(path)?),
            Rule::Move { from, to } => {
                if ["id", "imp", "imp.id"].contains(&&**from) {
                    return Err(unfit(from, "must stay where it is"));
                }
                let (source, target) = (names(from)?, names(to)?);
                let common = source
                    .iter()
                    .zip(&target)
                    .take_while(|(left, right)| left == right)
                    .count();
                if common == source.len() || common == target.len() {
                    return Err(unfit(to, "lies on the way of what is moved there"));
                }
                let inside = |path: &[String]| {
                    let between = &path[common..path.len() - 1];
                    between.iter().any(|name| LISTS.contains(&&**name))
                };
                if inside(&source) || inside(&target) {
                    return Err(unfit(to, "lies in another element of a list"));
                }
                self.remove(from, &source)?;
                self.at(&source[..common]).moves.push(Moved {
                    from: source[common..].to_vec(),
                    to: target[common..].to_vec(),
                });
                Ok(())
            }
        }
    }

    fn remove(&mut self, path: &str, names: &[String]) -> Result<(), Unfit> {
        let node = self.at(names);
        if std::mem::replace(&mut node.removed, true) {
            return Err(Unfit {
                path: path.to_owned(),
                problem: "stands in two rules",
            });
        }
        Ok(())
    }
}

fn names(path: &str) -> Result<Vec<String>, Unfit> {
    let unfit = |problem| Unfit {
        path: path.to_owned(),
        problem,
    };
    let names: Vec<String> = path.split('.').map(str::to_owned).collect();
    if names.len() > MOST_NAMES {
        return Err(unfit("has too many names, at most 12 are allowed"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$:".contains(&byte);
    let fits = |name: &String| !name.is_empty() && name.bytes().all(plain);
    if !names.iter().all(fits) {
        return Err(unfit("is no path of names joined by dots"));
    }
    Ok(names)
}
