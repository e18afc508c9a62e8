//! Reshaping: leaves members out of a written message, or puts them elsewhere.
//!
//! A buyer that speaks an older version, or that chokes on a field, gets the same request in
//! another form. Rules are compiled once into a [`Shape`], a tree of names; applying it copies
//! the message in one pass over its bytes, of which everything that no rule names is copied as
//! it stands. Paths go through lists: `imp.video.plcmt` is a rule for every imp. Cost: about
//! 1 µs per KiB.

mod older;
mod rule;
mod scan;

pub use rule::{Rule, Unfit};

use rule::Node;
use scan::{find, skip_string, skip_value};
use std::ops::Range;

/// Compiled rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    root: Node,
}

/// A value that is to appear at a path below the object being written.
#[derive(Clone, Copy)]
struct Insert<'s, 'b> {
    path: &'s [String],
    value: &'b [u8],
}

impl Shape {
    /// Compiles rules, all of which see the message as it was.
    ///
    /// # Errors
    /// [`Unfit`] names the first rule that cannot be meant.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Result<Self, Unfit> {
        let mut root = Node::default();
        for rule in rules {
            root.add(rule)?;
        }
        Ok(Self { root })
    }

    /// The shape that makes a 2.5 request of a 2.6 one.
    ///
    /// # Panics
    /// Never: its rules are known to compile.
    pub fn to_2_5() -> Self {
        Self::new(&older::rules()).expect("the rules are tested")
    }

    /// Appends the reshaped message to `out`. `message` is an object as [`Encode`](crate::Encode)
    /// writes it: well formed, with no blanks between its parts.
    pub fn apply(&self, message: &[u8], out: &mut Vec<u8>) {
        value(message, 0, &self.root, &[], out);
    }
}

/// Where the value of a member of a written object stands.
pub fn member_range(message: &[u8], name: &str) -> Option<Range<usize>> {
    let value = find(message, 0, &[name.to_owned()])?;
    let start = value.as_ptr().addr() - message.as_ptr().addr();
    Some(start..start + value.len())
}

/// Writes the value at `at` and returns where it ends.
fn value(
    bytes: &[u8],
    at: usize,
    node: &Node,
    inserts: &[Insert<'_, '_>],
    out: &mut Vec<u8>,
) -> usize {
    match bytes[at] {
        b'{' => return object(bytes, at, node, inserts, out),
        b'[' if inserts.is_empty() => return list(bytes, at, node, out),
        _ => {}
    }
    let end = skip_value(bytes, at);
    if inserts.is_empty() {
        out.extend_from_slice(&bytes[at..end]);
    } else {
        // What is to hold members is no object: it becomes one.
        object(b"{}", 0, node, inserts, out);
    }
    end
}

fn list(bytes: &[u8], mut at: usize, node: &Node, out: &mut Vec<u8>) -> usize {
    loop {
        // The opening bracket or a comma.
        out.push(bytes[at]);
        at += 1;
        if bytes[at] == b']' {
            out.push(b']');
            return at + 1;
        }
        at = value(bytes, at, node, &[], out);
        if bytes[at] == b']' {
            out.push(b']');
            return at + 1;
        }
    }
}

fn object(
    bytes: &[u8],
    mut at: usize,
    node: &Node,
    given: &[Insert<'_, '_>],
    out: &mut Vec<u8>,
) -> usize {
    let moved = node.moves.iter().filter_map(|rule| {
        let value = find(bytes, at, &rule.from)?;
        let path = &*rule.to;
        Some(Insert { path, value })
    });
    let inserts: Vec<Insert<'_, '_>> = given.iter().copied().chain(moved).collect();
    let mut written: Vec<&str> = Vec::new();
    out.push(b'{');
    let opened = out.len();
    at += 1;
    while bytes[at] != b'}' {
        if bytes[at] == b',' {
            at += 1;
        }
        let (key_at, key_end) = (at, skip_string(bytes, at));
        let key = &bytes[key_at + 1..key_end - 1];
        at = key_end + 1;
        let child = node.child(key);
        let mut here = inserts.iter().filter(|one| one.path[0].as_bytes() == key);
        if let Some(first) = here.next() {
            let name = &*first.path[0];
            if !written.contains(&name) {
                written.push(name);
                let kept = child.is_none_or(|child| !child.removed);
                let below: &[u8] = if kept { &bytes[at..] } else { b"{}" };
                let child = child.filter(|child| !child.removed);
                member(below, name, child, &inserts, opened, out);
            }
            at = skip_value(bytes, at);
            continue;
        }
        match child {
            Some(child) if child.removed => at = skip_value(bytes, at),
            Some(child) => {
                comma(opened, out);
                out.extend_from_slice(&bytes[key_at..at]);
                at = value(bytes, at, child, &[], out);
            }
            None => {
                comma(opened, out);
                at = skip_value(bytes, at);
                out.extend_from_slice(&bytes[key_at..at]);
            }
        }
    }
    for insert in &inserts {
        let name = &*insert.path[0];
        if !written.contains(&name) {
            written.push(name);
            member(b"{}", name, None, &inserts, opened, out);
        }
    }
    out.push(b'}');
    at + 1
}

/// Writes a member into which something is inserted; `bytes` begin with its value so far.
fn member(
    bytes: &[u8],
    name: &str,
    node: Option<&Node>,
    inserts: &[Insert<'_, '_>],
    opened: usize,
    out: &mut Vec<u8>,
) {
    comma(opened, out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    let here = || inserts.iter().filter(|one| one.path[0] == name);
    if let Some(whole) = here().find(|one| one.path.len() == 1) {
        out.extend_from_slice(whole.value);
        return;
    }
    let below: Vec<Insert<'_, '_>> = here()
        .map(|one| Insert {
            path: &one.path[1..],
            value: one.value,
        })
        .collect();
    value(bytes, 0, node.unwrap_or(&Node::default()), &below, out);
}

fn comma(opened: usize, out: &mut Vec<u8>) {
    if out.len() > opened {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests;
