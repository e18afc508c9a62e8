use crate::decode::{Cursor, Decode, wrong_type};
use crate::{Encode, Fault, Value};
use simd_json::Node;

/// The native request as it came: the specification's JSON in a string, or the object itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NativeMarkup<'a> {
    /// JSON inside a string.
    Text(&'a str),
    /// A JSON object.
    Object(Value<'a>),
}

impl<'a> Decode<'a> for NativeMarkup<'a> {
    fn decode(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault> {
        match cursor.peek() {
            Node::String(text) => {
                cursor.next();
                Ok(Self::Text(text))
            }
            Node::Object { .. } => cursor.value().map(Self::Object),
            other => Err(wrong_type("a string or an object", &other)),
        }
    }
}

impl Encode for NativeMarkup<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.encode(out),
            Self::Object(value) => value.encode(out),
        }
    }
}
