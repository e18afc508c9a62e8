//! Small building blocks of the wire types: flags, lists and untyped values.

use simd_json::{Node, StaticNode};
use std::fmt;
use std::ops::Deref;

/// A 0/1 field. Other integers are kept as they came, since the model is open; only 1 is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub i64);

impl Flag {
    /// Whether the flag is 1.
    pub fn is_set(self) -> bool {
        self.0 == 1
    }
}

/// A list of the message. An absent list differs from an empty one, though both read as `[]`.
pub struct List<'a, T>(Option<&'a [T]>);

impl<'a, T> List<'a, T> {
    /// A list that is present in the message.
    pub fn new(items: &'a [T]) -> Self {
        Self(Some(items))
    }

    /// Whether the field was there at all.
    pub fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// The elements, living as long as the message.
    pub fn items(&self) -> &'a [T] {
        self.0.unwrap_or_default()
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for List<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.items()
    }
}

impl<T: fmt::Debug> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<'a, T> IntoIterator for List<'a, T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items().iter()
    }
}

/// An untyped JSON value, as found under `ext` and in fields that the model does not know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value<'a>(pub(crate) &'a [Node<'a>]);

impl<'a> Value<'a> {
    /// The value of member `key` of an object; the last one where the key is repeated.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.members()
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value)
            .last()
    }

    /// The members of an object, in order; none for another type.
    pub fn members(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let (len, mut rest) = match self.0 {
            [Node::Object { len, .. }, rest @ ..] => (*len, rest),
            _ => (0, &self.0[..0]),
        };
        (0..len).filter_map(move |_| {
            let (Node::String(key), after) = rest.split_first()? else {
                return None;
            };
            let (value, after) = split_value(after);
            rest = after;
            Some((*key, value))
        })
    }

    /// The elements of an array, in order; none for another type.
    pub fn elements(self) -> impl Iterator<Item = Value<'a>> {
        let (len, mut rest) = match self.0 {
            [Node::Array { len, .. }, rest @ ..] => (*len, rest),
            _ => (0, &self.0[..0]),
        };
        (0..len).map(move |_| {
            let (value, after) = split_value(rest);
            rest = after;
            value
        })
    }

    /// The text of a string.
    pub fn as_str(self) -> Option<&'a str> {
        match self.0 {
            [Node::String(text)] => Some(text),
            _ => None,
        }
    }

    /// The value of an integer, `None` where it is not one or exceeds 64 bits.
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            [Node::Static(StaticNode::I64(number))] => Some(*number),
            [Node::Static(StaticNode::U64(number))] => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The value of any number.
    pub fn as_f64(self) -> Option<f64> {
        match self.0 {
            [Node::Static(StaticNode::I64(number))] => Some(*number as f64),
            [Node::Static(StaticNode::U64(number))] => Some(*number as f64),
            [Node::Static(StaticNode::F64(number))] => Some(*number),
            _ => None,
        }
    }

    /// The value of `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            [Node::Static(StaticNode::Bool(flag))] => Some(*flag),
            _ => None,
        }
    }

    /// Whether the value is an object.
    pub fn is_object(self) -> bool {
        kind(&self.0[0]) == "object"
    }

    /// The JSON name of the value's type.
    pub fn kind(self) -> &'static str {
        kind(&self.0[0])
    }

    pub(crate) fn nodes(self) -> &'a [Node<'a>] {
        self.0
    }
}

/// How many nodes of the tape belong to the value that starts at `node`.
pub(crate) fn span(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
        Node::String(_) | Node::Static(_) => 1,
    }
}

/// The JSON name of a node's type.
pub(crate) fn kind(node: &Node<'_>) -> &'static str {
    match node {
        Node::String(_) => "string",
        Node::Object { .. } => "object",
        Node::Array { .. } => "array",
        Node::Static(StaticNode::Null) => "null",
        Node::Static(StaticNode::Bool(_)) => "boolean",
        Node::Static(_) => "number",
    }
}

fn split_value<'a>(nodes: &'a [Node<'a>]) -> (Value<'a>, &'a [Node<'a>]) {
    let (value, rest) = nodes.split_at(span(&nodes[0]));
    (Value(value), rest)
}
