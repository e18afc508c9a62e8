//! The order of precedence and the lookup, against a naive walk over all rules.

use super::*;
use proptest::prelude::*;

fn fields(count: usize) -> Vec<Field> {
    // Fields that take any text, so that rules can be written freely.
    let free = Field::ALL.iter().map(|(_, field)| *field);
    let free = free.filter(|field| field.canonical("any text").is_ok());
    free.take(count).collect()
}

/// The most fields that take any text.
const FREE: usize = 12;

fn find<'r>(rules: &'r Rules, values: &[&str]) -> Option<&'r str> {
    let hit = rules.find(|field, probe| {
        let at = rules.fields().iter().position(|known| *known == field);
        let text = values[at.unwrap()];
        if text != "*" {
            probe.is(text);
        }
    });
    hit.map(|hit| hit.rule)
}

fn built(count: usize, delimiter: char, rules: &[&str]) -> Rules {
    let mut builder = Builder::new(fields(count));
    for rule in rules {
        builder.insert(rule, delimiter, Cpm(1)).unwrap();
    }
    builder.build()
}

/// Removes the winning rule again and again: what is left is the order of precedence. The rules
/// are inserted backwards, so that their order in the file decides nothing.
fn assert_order(values: &[&str], delimiter: &str, order: &[String]) {
    let delimiter = delimiter.chars().next().unwrap();
    for from in 0..order.len() {
        let left: Vec<&str> = order[from..].iter().rev().map(String::as_str).collect();
        let rules = built(values.len(), delimiter, &left);
        assert_eq!(
            find(&rules, values),
            Some(order[from].as_str()),
            "{order:?}"
        );
    }
}

/// Every pattern of wildcards over `names`, as the schema orders them: by the number of
/// wildcards, and among equals by the places of the specific parts, left-most first.
fn documented_order(names: &[String]) -> Vec<String> {
    let count = names.len();
    let mut order = Vec::with_capacity(1 << count);
    for specific in (0..=count).rev() {
        let mut places: Vec<usize> = (0..specific).collect();
        loop {
            let part = |at: usize| {
                if places.contains(&at) {
                    names[at].as_str()
                } else {
                    "*"
                }
            };
            order.push((0..count).map(part).collect::<Vec<_>>().join("|"));
            // The next combination in lexicographic order.
            let Some(moving) = (0..specific)
                .rev()
                .find(|at| places[*at] < count - specific + at)
            else {
                break;
            };
            places[moving] += 1;
            for at in moving + 1..specific {
                places[at] = places[at - 1] + 1;
            }
        }
    }
    order
}

#[test]
fn fewest_wildcards_first_then_the_left_most_specific() {
    let order = [
        "a|b|c", "a|b|*", "a|*|c", "*|b|c", "a|*|*", "*|b|*", "*|*|c", "*|*|*",
    ];
    assert_order(&["A", "b", "C"], "|", &order.map(str::to_owned));
    let names = ["a", "b", "c"].map(str::to_owned);
    assert_eq!(documented_order(&names), order);
    let order = ["*^b^c", "*^b^*", "*^*^c", "*^*^*"];
    assert_order(&["*", "b", "c"], "^", &order.map(str::to_owned));
}

/// Prebid Server in Go orders 56 of the 64 patterns of six fields otherwise, and its default
/// limit of three fields hides it.
#[test]
fn the_order_holds_for_any_number_of_fields() {
    for count in 1..=FREE {
        let names: Vec<String> = (0..count).map(|index| format!("v{index}")).collect();
        let order = documented_order(&names);
        assert_eq!(order.len(), 1 << count);
        let values: Vec<&str> = names.iter().map(String::as_str).collect();
        // All of six fields; of more the beginning and every so many of the rest.
        let step = (order.len() / 64).max(1);
        let rest = order.iter().skip(16).step_by(step);
        let sampled: Vec<String> = order.iter().take(16).chain(rest).cloned().collect();
        assert_order(&values, "|", &sampled);
    }
}

#[test]
fn rules_that_cannot_be_used_are_told() {
    let mut rules = Builder::new(fields(2));
    assert_eq!(rules.insert("a", '|', Cpm(0)), Err(Unusable::Parts(1)));
    assert_eq!(rules.insert("a|b|c", '|', Cpm(0)), Err(Unusable::Parts(3)));
    assert_eq!(rules.insert("a|b", '|', Cpm(1)), Ok(()));
    assert_eq!(rules.insert("A|B", '|', Cpm(2)), Err(Unusable::Repeated));
    let rules = rules.build();
    assert_eq!(find(&rules, &["a", "b"]), Some("a|b"));
    assert_eq!(find(&rules, &["a", "x"]), None);
    assert_eq!(find(&Builder::new(fields(2)).build(), &["a", "b"]), None);
    let mut rules = Builder::new(vec![Field::Size, Field::Hour]);
    let unusable = rules.insert("300x250|25", '|', Cpm(1));
    let allowed = "0 to 23".to_owned();
    assert_eq!(unusable, Err(Unusable::Value { field: 1, allowed }));
}

#[test]
fn texts_of_any_length_and_script_are_compared_in_lower_case() {
    let long = "x".repeat(200);
    let rules = built(1, '|', &["été", &long, "München"]);
    assert_eq!(find(&rules, &["ÉTÉ"]), Some("été"));
    assert_eq!(find(&rules, &["münchen"]), Some("München"));
    assert_eq!(find(&rules, &[&long.to_uppercase()]), Some(long.as_str()));
}

#[test]
fn the_shared_orders_hold() {
    let Ok(corpus) = std::env::var("GAVEL_CORPUS") else {
        eprintln!("SKIPPED: set GAVEL_CORPUS to the folder that has floors/rule_order.jsonl");
        return;
    };
    let path = std::path::Path::new(&corpus).join("floors/rule_order.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut cases = 0;
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let texts = |name: &str| -> Vec<String> {
            let list = case[name].as_array().unwrap();
            list.iter()
                .map(|text| text.as_str().unwrap().to_owned())
                .collect()
        };
        let (values, order) = (texts("values"), texts("order"));
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        assert_order(&values, case["delimiter"].as_str().unwrap(), &order);
        cases += 1;
    }
    assert!(cases > 0, "{} has no case", path.display());
}

/// What a walk over all rules finds: among those that match, the one with the fewest wildcards,
/// and the left-most specific among equals.
fn walk<'r>(rules: &[Vec<&'r str>], values: &[&str]) -> Option<Vec<&'r str>> {
    let mut best: Option<&Vec<&str>> = None;
    for rule in rules {
        let pairs = rule.iter().zip(values);
        if pairs
            .clone()
            .any(|(part, value)| *part != "*" && part != value)
        {
            continue;
        }
        let count = |rule: &[&str]| rule.iter().filter(|part| **part == "*").count();
        let better = match best {
            None => true,
            Some(best) if count(rule) != count(best) => count(rule) < count(best),
            Some(best) => {
                let differs = rule
                    .iter()
                    .zip(best)
                    .find(|(a, b)| (**a == "*") != (**b == "*"));
                differs.is_some_and(|(_, theirs)| *theirs == "*")
            }
        };
        if better {
            best = Some(rule);
        }
    }
    best.cloned()
}

/// Rules and requests over `count` fields; few values, so that many rules match.
fn market(count: usize, most: usize) -> impl Strategy<Value = (Vec<Vec<usize>>, Vec<Vec<usize>>)> {
    let one = || prop::collection::vec(0_usize..5, count);
    (
        prop::collection::vec(one(), 0..most),
        prop::collection::vec(one(), 1..12),
    )
}

fn assert_agrees(rules: &[Vec<usize>], requests: &[Vec<usize>]) {
    let names = ["*", "w", "x", "y", "z"];
    let named = |list: &[usize]| -> Vec<&str> { list.iter().map(|at| names[*at]).collect() };
    let mut builder = Builder::new(fields(requests[0].len()));
    let mut kept = Vec::new();
    for rule in rules {
        let parts = named(rule);
        if builder.insert(&parts.join("|"), '|', Cpm(1)).is_ok() {
            kept.push(parts);
        }
    }
    let table = builder.build();
    assert_eq!(table.len(), kept.len());
    for request in requests {
        let values = named(request);
        let found = find(&table, &values).map(|rule| rule.split('|').collect::<Vec<_>>());
        assert_eq!(found, walk(&kept, &values), "{values:?}");
    }
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_walk((rules, requests) in market(4, 40)) {
        assert_agrees(&rules, &requests);
    }

    /// So many rules that values have sets rather than lists.
    #[test]
    fn a_large_table_agrees_with_a_walk((rules, requests) in market(3, 400)) {
        assert_agrees(&rules, &requests);
    }

    #[test]
    fn eight_fields_agree_with_a_walk((rules, requests) in market(8, 200)) {
        assert_agrees(&rules, &requests);
    }
}
