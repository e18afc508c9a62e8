//! Numbers, texts and flags, read as leniently as real traffic writes them.

use super::{Cursor, Decode, quote, wrong_type};
use crate::Flag;
use crate::fault::{Fault, Problem};
use simd_json::{Node, StaticNode};

/// Any text. A number is taken for an identifier written without its quotes.
impl<'a> Decode<'a> for &'a str {
    fn decode(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault> {
        let arena = cursor.context.arena;
        match cursor.next() {
            Node::String(text) => Ok(text),
            Node::Static(StaticNode::I64(number)) => {
                Ok(arena.alloc_str(itoa::Buffer::new().format(number)))
            }
            Node::Static(StaticNode::U64(number)) => {
                Ok(arena.alloc_str(itoa::Buffer::new().format(number)))
            }
            Node::Static(StaticNode::F64(number)) if number.is_finite() => {
                Ok(arena.alloc_str(ryu::Buffer::new().format_finite(number)))
            }
            other => Err(wrong_type("a string", &other)),
        }
    }
}

impl Decode<'_> for i64 {
    fn decode(cursor: &mut Cursor<'_, '_>) -> Result<Self, Fault> {
        match cursor.next() {
            Node::Static(StaticNode::I64(number)) => Ok(number),
            Node::Static(StaticNode::U64(number)) => i64::try_from(number)
                .map_err(|_| Fault::here(Problem::Value(format!("{number} exceeds 64 bits")))),
            Node::Static(StaticNode::F64(number)) => whole(number),
            Node::Static(StaticNode::Bool(flag)) => Ok(i64::from(flag)),
            Node::String(text) => match text.trim().parse() {
                Ok(number) => Ok(number),
                Err(_) => text.trim().parse().ok().map_or_else(
                    || {
                        Err(Fault::here(Problem::Value(format!(
                            "expected an integer, found {}",
                            quote(text)
                        ))))
                    },
                    whole,
                ),
            },
            other => Err(wrong_type("an integer", &other)),
        }
    }
}

impl Decode<'_> for f64 {
    fn decode(cursor: &mut Cursor<'_, '_>) -> Result<Self, Fault> {
        let number = match cursor.next() {
            Node::Static(StaticNode::I64(number)) => number as f64,
            Node::Static(StaticNode::U64(number)) => number as f64,
            Node::Static(StaticNode::F64(number)) => number,
            Node::String(text) => text.trim().parse().unwrap_or(f64::NAN),
            other => return Err(wrong_type("a number", &other)),
        };
        if number.is_finite() {
            Ok(number)
        } else {
            Err(Fault::here(Problem::Value(
                "expected a finite number".to_owned(),
            )))
        }
    }
}

impl Decode<'_> for Flag {
    fn decode(cursor: &mut Cursor<'_, '_>) -> Result<Self, Fault> {
        if let Node::String(text) = cursor.peek()
            && let Ok(flag) = text.trim().parse::<bool>()
        {
            cursor.next();
            return Ok(Flag(i64::from(flag)));
        }
        i64::decode(cursor).map(Flag)
    }
}

fn whole(number: f64) -> Result<i64, Fault> {
    // 2^63 is the first float beyond i64; the comparison is exact in f64.
    if number.fract() == 0.0 && number.abs() < 9_223_372_036_854_775_808.0 {
        Ok(number as i64)
    } else {
        Err(Fault::here(Problem::Value(format!(
            "expected an integer, found {number}"
        ))))
    }
}
