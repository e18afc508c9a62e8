use super::*;
use crate::{BidRequest, Encode, Keep, Limits, Scratch};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn moved(from: &str, to: &str) -> Rule {
    Rule::Move {
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

fn removed(path: &str) -> Rule {
    Rule::Remove(path.to_owned())
}

fn reshaped(rules: &[Rule], message: &Value) -> Value {
    let mut out = Vec::new();
    let shape = Shape::new(rules).unwrap();
    shape.apply(message.to_string().as_bytes(), &mut out);
    serde_json::from_slice(&out).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out)))
}

#[test]
fn members_are_left_out_through_lists() {
    let message = json!({"id":"a","imp":[{"id":"1","video":{"plcmt":1,"w":2}},{"id":"2"},
        {"id":"3","video":{"plcmt":4}}],"user":{"eids":[{"source":"s"}],"id":"u"}});
    let rules = [removed("imp.video.plcmt"), removed("user.eids")];
    assert_eq!(
        reshaped(&rules, &message),
        json!({"id":"a","imp":[{"id":"1","video":{"w":2}},{"id":"2"},{"id":"3","video":{}}],
            "user":{"id":"u"}})
    );
}

#[test]
fn members_move_into_objects_that_are_there_or_not() {
    let rules = [
        moved("user.eids", "user.ext.eids"),
        moved("imp.rwdd", "imp.ext.deep.rewarded"),
        moved("source.schain", "chain"),
    ];
    let message = json!({"imp":[{"rwdd":1,"ext":{"a":1}},{"rwdd":0},{"x":2}],
        "user":{"ext":{"eids":["old"],"k":"v"},"eids":["new"]},"source":{"schain":{"ver":"1.0"}}});
    assert_eq!(
        reshaped(&rules, &message),
        json!({"imp":[{"ext":{"a":1,"deep":{"rewarded":1}}},{"ext":{"deep":{"rewarded":0}}},
            {"x":2}],"user":{"ext":{"eids":["new"],"k":"v"}},"source":{},
            "chain":{"ver":"1.0"}})
    );
}

#[test]
fn what_is_no_object_makes_room_for_members() {
    let rules = [moved("a", "ext.a"), moved("b", "ext.b")];
    for ext in [json!(7), json!([1]), json!("x"), Value::Null] {
        let message = json!({"ext":ext,"a":1,"b":{"c":[]}});
        let expected = json!({"ext":{"a":1,"b":{"c":[]}}});
        assert_eq!(reshaped(&rules, &message), expected);
    }
}

#[test]
fn rules_that_cannot_be_meant_are_refused_by_name() {
    let refused = |rules: &[Rule]| Shape::new(rules).unwrap_err().to_string();
    for path in ["id", "imp", "imp.id", "test", "regs.coppa", "user.consent"] {
        let text = refused(&[removed(path)]);
        assert_eq!(text, format!("{path:?} must stay in a request"));
    }
    for path in ["", "a..b", "a b", "a.\"b", &"x.".repeat(13)] {
        assert!(refused(&[removed(path)]).contains(&format!("{path:?}")));
    }
    for (from, to, word) in [
        ("imp.id", "imp.ext.id", "must stay"),
        ("user", "user.ext", "on the way"),
        ("user.ext.eids", "user.ext", "on the way"),
        ("imp.rwdd", "ext.rwdd", "another element"),
        ("ext.a", "imp.a", "another element"),
        ("user.eids.source", "user.ext.source", "another element"),
    ] {
        assert!(refused(&[moved(from, to)]).contains(word), "{from} {to}");
    }
    let twice = [removed("user.eids"), moved("user.eids", "user.ext.eids")];
    assert_eq!(refused(&twice), "\"user.eids\" stands in two rules");
}

#[test]
fn a_request_goes_back_to_2_5_and_reads_the_same() {
    let text = r#"{"id":"r","imp":[{"id":"1","rwdd":1,"ssai":2,"video":{"mimes":["a"],"plcmt":1,
        "podid":"p","placement":1},"pmp":{"deals":[{"id":"d","guar":1}]}}],"cattax":2,
        "site":{"id":"s","cattax":2,"content":{"network":{"id":"n"},"title":"t"}},
        "device":{"ua":"x","sua":{"mobile":1}},"user":{"eids":[{"source":"s"}],"consent":"C",
        "ext":{"k":1}},"regs":{"gdpr":1,"gpp":"G","gpp_sid":[2],"coppa":0},
        "source":{"tid":"t","schain":{"ver":"1.0","complete":1,"nodes":[]}}}"#;
    let mut scratch = Scratch::default();
    let request: BidRequest<'_> = scratch
        .decode(text.as_bytes(), Limits::default(), Keep::All)
        .unwrap();
    let mut written = Vec::new();
    request.encode(&mut written);
    let mut out = Vec::new();
    Shape::to_2_5().apply(&written, &mut out);
    let older: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        older,
        json!({"id":"r","imp":[{"id":"1","video":{"mimes":["a"],"plcmt":1,"placement":1},
            "pmp":{"deals":[{"id":"d"}]},"ext":{"rwdd":1}}],
            "site":{"id":"s","content":{"title":"t"}},
            "device":{"ua":"x","ext":{"sua":{"mobile":1}}},
            "user":{"ext":{"k":1,"eids":[{"source":"s"}],"consent":"C"}},
            "regs":{"coppa":0,"ext":{"gdpr":1,"gpp":"G","gpp_sid":[2]}},
            "source":{"tid":"t","ext":{"schain":{"ver":"1.0","complete":1,"nodes":[]}}}})
    );
    assert_eq!(
        member_range(&out, "id").map(|range| &out[range]),
        Some(&b"\"r\""[..])
    );
    assert_eq!(member_range(&out, "cattax"), None);
    // Whoever reads it finds the consent and the person again.
    let mut scratch = Scratch::default();
    let read: BidRequest<'_> = scratch.decode(&out, Limits::default(), Keep::All).unwrap();
    assert_eq!(read.user.unwrap().consent.unwrap().0, "C");
    assert_eq!(read.regs.unwrap().gpp.unwrap().0, "G");
    assert!(read.source.unwrap().schain.is_some());
}

/// The same by a tree.
fn naive(rules: &[Rule], message: &Value) -> Value {
    let mut result = message.clone();
    let mut values = Vec::new();
    for rule in rules {
        let (path, to) = match rule {
            Rule::Remove(path) => (path, None),
            Rule::Move { from, to } => (from, Some(to)),
        };
        let names: Vec<&str> = path.split('.').collect();
        values.push((to, at(message, &names).cloned()));
        take(&mut result, &names);
    }
    for (to, value) in values {
        if let (Some(to), Some(value)) = (to, value) {
            put(&mut result, &to.split('.').collect::<Vec<_>>(), value);
        }
    }
    result
}

fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter()
        .try_fold(value, |value, name| value.as_object()?.get(*name))
}

fn take(value: &mut Value, path: &[&str]) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| take(value, path)),
        Value::Object(members) if path.len() == 1 => {
            members.remove(path[0]);
        }
        Value::Object(members) => {
            if let Some(value) = members.get_mut(path[0]) {
                take(value, &path[1..]);
            }
        }
        _ => {}
    }
}

fn put(value: &mut Value, path: &[&str], new: Value) {
    if path.is_empty() {
        *value = new;
        return;
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let members = value.as_object_mut().unwrap();
    let slot = members.entry(path[0]).or_insert(Value::Null);
    put(slot, &path[1..], new);
}

fn message() -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(&["a", "b", "c", "ext"][..]);
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::from),
        "[\"\\\\{}\\[\\],:a\u{e9}]{0,6}".prop_map(Value::from),
        Just(Value::Null),
    ];
    let tree = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name(), inner, 0..4).prop_map(object),
        ]
    });
    prop::collection::hash_map(name(), tree, 0..4).prop_map(object)
}

fn object(members: std::collections::HashMap<&str, Value>) -> Value {
    let members = members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    members.collect::<Map<_, _>>().into()
}

fn rule() -> impl Strategy<Value = Rule> {
    let path = || {
        let name = prop::sample::select(&["a", "b", "c", "ext"][..]);
        prop::collection::vec(name, 1..4).prop_map(|names| names.join("."))
    };
    prop_oneof![
        path().prop_map(Rule::Remove),
        (path(), path()).prop_map(|(from, to)| Rule::Move { from, to }),
    ]
}

proptest! {
    /// Leaving out is the same as on a tree, whatever the message.
    #[test]
    fn leaving_out_is_that_of_a_tree(
        message in message(),
        paths in prop::collection::btree_set("[abc](\\.[abc]){0,2}", 0..4),
    ) {
        let rules: Vec<Rule> = paths.into_iter().map(Rule::Remove).collect();
        prop_assert_eq!(reshaped(&rules, &message), naive(&rules, &message));
    }

    /// Any rules that compile make a message of any message.
    #[test]
    fn whatever_comes_out_is_a_message(
        message in message(),
        rules in prop::collection::vec(rule(), 0..5),
    ) {
        if Shape::new(&rules).is_ok() {
            prop_assert!(reshaped(&rules, &message).is_object());
        }
    }

    /// One move out of objects is the same as on a tree.
    #[test]
    fn one_move_is_that_of_a_tree(message in message(), rule in rule()) {
        let rules = [rule];
        let Rule::Move { from, to } = &rules[0] else { return Ok(()) };
        let names: Vec<&str> = from.split('.').collect();
        let through = |names: &[&str]| (1..names.len())
            .any(|end| at(&message, &names[..end]).is_some_and(Value::is_array));
        // Through a list the two places need not be in the same element.
        let to: Vec<&str> = to.split('.').collect();
        if Shape::new(&rules).is_ok() && !through(&names) && !through(&to) {
            prop_assert_eq!(reshaped(&rules, &message), naive(&rules, &message));
        }
    }
}
