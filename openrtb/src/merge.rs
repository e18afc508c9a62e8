//! JSON merge patch (RFC 7386) on decoded values, written directly.
//!
//! Cost: one pass over both, and for each object that both have, members × members comparisons
//! of names; whoever merges keeps one side small.

use crate::encode::{Encode, Object};
use crate::value::Value;
use bumpalo::Bump;
use simd_json::Node;

/// Appends `target` changed by `patch` to `out`: members of `patch` win, its nulls remove, and
/// whatever is no object replaces what was there.
pub fn merge(target: Option<Value<'_>>, patch: Value<'_>, out: &mut Vec<u8>) {
    if !patch.is_object() {
        patch.encode(out);
        return;
    }
    let target = target.filter(|target| target.is_object());
    let mut object = Object::open(out);
    for (name, old) in target.into_iter().flat_map(Value::members) {
        match patch.get(name) {
            None => object.member(name, &old),
            Some(new) if new.kind() == "null" => {}
            Some(new) => object.member(name, &Merged(Some(old), new)),
        }
    }
    for (name, new) in patch.members() {
        let known = target.is_some_and(|target| target.get(name).is_some());
        if !known && new.kind() != "null" {
            object.member(name, &Merged(None, new));
        }
    }
    object.close();
}

/// A value that is merged where it is written.
struct Merged<'v>(Option<Value<'v>>, Value<'v>);

impl Encode for Merged<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        merge(self.0, self.1, out);
    }
}

/// The object `base` with a further member, which wins over one of the same name; an object of
/// that member alone where `base` is none.
pub fn with_text<'a>(
    base: Option<Value<'a>>,
    name: &'a str,
    text: &'a str,
    arena: &'a Bump,
) -> Value<'a> {
    let nodes = base.map(Value::nodes).unwrap_or_default();
    let (len, count, rest) = match nodes {
        [Node::Object { len, count }, rest @ ..] => (*len, *count, rest),
        _ => (0, 0, &nodes[..0]),
    };
    let head = Node::Object {
        len: len + 1,
        count: count + 2,
    };
    let added = [Node::String(name), Node::String(text)];
    let all = std::iter::once(head)
        .chain(rest.iter().copied())
        .chain(added);
    Value(bumpalo::collections::Vec::from_iter_in(all, arena).into_bump_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keep, Limits, Scratch};
    use proptest::prelude::*;

    fn merged(target: &str, patch: &str) -> serde_json::Value {
        let (mut one, mut other) = (Scratch::default(), Scratch::default());
        let limits = Limits::default();
        let target = one.decode(target.as_bytes(), limits, Keep::All).unwrap();
        let patch = other.decode(patch.as_bytes(), limits, Keep::All).unwrap();
        let mut out = Vec::new();
        merge(Some(target), patch, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    /// The examples of RFC 7386, appendix A, whose patch or target is an object.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"a":"foo"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let wanted: serde_json::Value = serde_json::from_str(result).unwrap();
            assert_eq!(merged(target, patch), wanted, "{target} {patch}");
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            (0..3).prop_map(serde_json::Value::from),
            "[a-c\"]{0,2}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// The pseudo-code of RFC 7386, section 2.
    fn naive(target: &serde_json::Value, patch: &serde_json::Value) -> serde_json::Value {
        let Some(patch) = patch.as_object() else {
            return patch.clone();
        };
        let mut map = target.as_object().cloned().unwrap_or_default();
        for (name, new) in patch {
            if new.is_null() {
                map.remove(name);
            } else {
                let old = map.get(name).cloned().unwrap_or_default();
                map.insert(name.clone(), naive(&old, new));
            }
        }
        map.into()
    }

    proptest! {
        #[test]
        fn merging_does_what_the_rfc_writes(target in value(), patch in value()) {
            let result = merged(&target.to_string(), &patch.to_string());
            prop_assert_eq!(result, naive(&target, &patch));
        }
    }

    #[test]
    fn a_member_is_added_to_an_object_or_makes_one() {
        let arena = Bump::new();
        let mut scratch = Scratch::default();
        let base = scratch
            .decode(
                br#"{"a":{"b":[1]},"gpc":"0"}"#,
                Limits::default(),
                Keep::All,
            )
            .unwrap();
        let both = with_text(Some(base), "gpc", "1", &arena);
        assert_eq!(both.get("gpc").and_then(Value::as_str), Some("1"));
        assert!(both.get("a").is_some_and(|a| a.get("b").is_some()));
        let mut out = Vec::new();
        with_text(None, "gpc", "1", &arena).encode(&mut out);
        assert_eq!(out, br#"{"gpc":"1"}"#);
    }
}
