use crate::decode::{Cursor, Decode, wrong_type};
use crate::{Encode, Fault};
use simd_json::Node;

/// A text that must come as a string: a consent string read from a number would be a consent
/// that nobody gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub &'a str);

impl<'a> Decode<'a> for Text<'a> {
    fn decode(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault> {
        match cursor.next() {
            Node::String(text) => Ok(Self(text)),
            other => Err(wrong_type("a string", &other)),
        }
    }
}

impl Encode for Text<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}
