//! Bytes to types: one pass of simd-json into a tape, one walk of the tape into borrowed types.
//!
//! Real traffic bends the specification, so numbers may come as strings, a lone value may stand
//! for an array, identifiers may be numbers, and an absent field may be `null`. What no reading
//! can save is refused with its path. Cost: about 3.5 µs for the tape and 2 µs for the walk of a
//! 2.7 KB request, and no allocation once a [`Scratch`] has seen a request of that size.

use crate::fault::{Fault, Problem};
use crate::value::{List, Value, kind, span};
use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use simd_json::{Buffers, ErrorType, Node, StaticNode, Tape};

mod scalar;
mod scratch;

pub use scratch::Scratch;

/// What a receiver accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message.
    pub body: usize,
    /// Levels of nesting inside an `ext` or a field that the model does not know.
    pub depth: usize,
    /// Elements of any list, imps among them.
    pub elements: usize,
    /// Imps of a request.
    pub imps: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 256 * 1024,
            depth: 32,
            elements: 1024,
            imps: 64,
        }
    }
}

/// What becomes of fields that the model does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Tolerated and dropped: the bidder reads only what it understands.
    Known,
    /// Kept and written back: the exchange passes on what it does not understand.
    All,
}

/// Decodes a JSON text that is the value of a string field, such as native's `request`.
///
/// # Errors
/// A [`Fault`] whose path is relative to the text.
pub(crate) fn decode_text<'a, T: Decode<'a>>(
    text: &str,
    context: &Context<'a>,
) -> Result<T, Fault> {
    let input = context
        .arena
        .alloc_slice_fill_copy(text.len() + simd_json::INPUT_PADDING, 0);
    input[..text.len()].copy_from_slice(text.as_bytes());
    let mut tape = Tape(Vec::new());
    let mut buffers = Buffers::new(text.len());
    simd_json::fill_tape_padded(input, text.len(), &mut buffers, &mut tape)
        .map_err(|error| syntax(&error))?;
    Cursor::new(&tape.0, context).read()
}

fn syntax(error: &simd_json::Error) -> Fault {
    if matches!(error.error(), ErrorType::DepthLimitExceeded) {
        return Fault::here(Problem::Limit {
            what: "levels of nesting",
            most: simd_json::DEFAULT_MAX_DEPTH,
        });
    }
    let reason = format!("{:?}", error.error());
    Fault::here(Problem::Syntax {
        at: error.index(),
        reason,
    })
}

/// What decoding needs besides the tape.
pub struct Context<'a> {
    pub(crate) arena: &'a Bump,
    pub(crate) limits: Limits,
    pub(crate) keep: Keep,
}

/// A place on the tape.
pub struct Cursor<'t, 'a> {
    nodes: &'t [Node<'a>],
    at: usize,
    pub(crate) context: &'t Context<'a>,
}

/// A type that can be read off the tape.
pub trait Decode<'a>: Sized {
    /// Reads the value under the cursor, which is never `null`, and moves behind it.
    ///
    /// # Errors
    /// A [`Fault`] whose path is relative to the value.
    fn decode(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault>;

    /// Reads the value into the arena; objects are read in place instead of moved there.
    ///
    /// # Errors
    /// As [`Decode::decode`].
    fn decode_in_arena(cursor: &mut Cursor<'_, 'a>) -> Result<&'a Self, Fault>
    where
        Self: 'a,
    {
        let value = Self::decode(cursor)?;
        Ok(cursor.context.arena.alloc(value))
    }
}

/// A field of an object: like [`Decode`], but `null` and absence are both the default.
pub trait Field<'a>: Sized + Default {
    /// Reads the field's value and moves behind it.
    ///
    /// # Errors
    /// A [`Fault`] whose path is relative to the field.
    fn field(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault>;
}

impl<'t, 'a> Cursor<'t, 'a> {
    pub(crate) fn new(nodes: &'t [Node<'a>], context: &'t Context<'a>) -> Self {
        Self {
            nodes,
            at: 0,
            context,
        }
    }

    #[inline]
    pub(crate) fn read<T: Decode<'a>>(&mut self) -> Result<T, Fault> {
        T::decode(self)
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn return_to(&mut self, position: usize) {
        self.at = position;
    }

    #[inline]
    pub(crate) fn peek(&self) -> Node<'a> {
        self.nodes[self.at]
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Node<'a> {
        let node = self.nodes[self.at];
        self.at += 1;
        node
    }

    #[inline]
    pub(crate) fn take_null(&mut self) -> bool {
        let null = matches!(self.nodes[self.at], Node::Static(StaticNode::Null));
        self.at += usize::from(null);
        null
    }

    /// Opens an object and says how many members follow.
    #[inline]
    pub(crate) fn open_object(&mut self) -> Result<usize, Fault> {
        match self.next() {
            Node::Object { len, .. } => Ok(len),
            other => Err(wrong_type("an object", &other)),
        }
    }

    /// The key of the next member.
    #[inline]
    pub(crate) fn key(&mut self) -> &'a str {
        match self.next() {
            Node::String(key) => key,
            _ => "",
        }
    }

    /// Passes over a value of any type, bounded in depth.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        self.take_span().map(|_| ())
    }

    /// Keeps a value of any type, bounded in depth.
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Fault> {
        let nodes = self.take_span()?;
        Ok(Value(self.context.arena.alloc_slice_copy(nodes)))
    }

    fn take_span(&mut self) -> Result<&'t [Node<'a>], Fault> {
        let nodes = &self.nodes[self.at..self.at + span(&self.nodes[self.at])];
        self.at += nodes.len();
        check_depth(nodes, self.context.limits.depth)?;
        Ok(nodes)
    }

    fn list<T>(&mut self, read: fn(&mut Self) -> Result<T, Fault>) -> Result<List<'a, T>, Fault>
    where
        T: 'a,
    {
        let Node::Array { len, .. } = self.peek() else {
            // A lone value stands for a list of one.
            let only = read(self)?;
            return Ok(List::new(std::slice::from_ref(
                self.context.arena.alloc(only),
            )));
        };
        let most = self.context.limits.elements;
        if len > most {
            return Err(Fault::here(Problem::Limit {
                what: "elements",
                most,
            }));
        }
        self.at += 1;
        let mut items = ArenaVec::with_capacity_in(len, self.context.arena);
        for index in 0..len {
            if !self.take_null() {
                items.push(read(self).map_err(|fault| fault.within_index(index))?);
            }
        }
        Ok(List::new(items.into_bump_slice()))
    }
}

/// Refuses nesting beyond `most` levels, without recursing and, up to 64 levels, without
/// allocating.
fn check_depth(nodes: &[Node<'_>], most: usize) -> Result<(), Fault> {
    if nodes.len() <= most {
        return Ok(());
    }
    let mut few = [0; 64];
    let mut many = Vec::new();
    let ends = if most <= few.len() {
        &mut few[..most]
    } else {
        many.resize(most, 0);
        &mut many[..]
    };
    let mut depth = 0;
    for (index, node) in nodes.iter().enumerate() {
        while depth > 0 && index >= ends[depth - 1] {
            depth -= 1;
        }
        if let Node::Object { count, .. } | Node::Array { count, .. } = node {
            let Some(end) = ends.get_mut(depth) else {
                return Err(Fault::here(Problem::Limit {
                    what: "levels of nesting",
                    most,
                }));
            };
            *end = index + 1 + count;
            depth += 1;
        }
    }
    Ok(())
}

pub(crate) fn wrong_type(expected: &'static str, found: &Node<'_>) -> Fault {
    Fault::here(Problem::Type {
        expected,
        found: kind(found),
    })
}

impl<'a, T: Decode<'a>> Field<'a> for Option<T> {
    fn field(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault> {
        if cursor.take_null() {
            Ok(None)
        } else {
            T::decode(cursor).map(Some)
        }
    }
}

impl<'a, T: Decode<'a> + 'a> Field<'a> for List<'a, T> {
    fn field(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault> {
        if cursor.take_null() {
            Ok(List::default())
        } else {
            cursor.list(T::decode)
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for &'a T {
    fn decode(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault> {
        T::decode_in_arena(cursor)
    }
}

impl<'a> Decode<'a> for Value<'a> {
    fn decode(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault> {
        cursor.value()
    }
}

/// The text in quotes, cut to a length that fits an error message.
pub(crate) fn quote(text: &str) -> String {
    let cut: String = text.chars().take(40).collect();
    if cut.len() < text.len() {
        format!("{cut:?}…")
    } else {
        format!("{cut:?}")
    }
}
