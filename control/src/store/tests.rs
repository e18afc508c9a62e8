use super::*;
use serde_json::json;

fn record(id: &str, name: &str) -> Record {
    Record {
        kind: Kind::Advertiser,
        id: id.to_owned(),
        account: id.to_owned(),
        parent: String::new(),
        version: 0,
        body: json!({ "name": name, "currency": "EUR", "domain": "a.example" }),
        updated_at: Timestamp::UNIX_EPOCH,
        archived: false,
    }
}

fn put(store: &Store, record: Record, claims: &[&str], keep: Keep) -> Result<Record, StoreError> {
    let claims: Vec<String> = claims.iter().map(|claim| (*claim).to_owned()).collect();
    store.write(|view| {
        let before = view.get(record.kind, &record.id)?;
        Ok((view.put(record, &claims, before.as_ref(), "test")?, keep))
    })
}

fn get(store: &Store, id: &str) -> Option<Record> {
    store.read(|view| view.get(Kind::Advertiser, id)).unwrap()
}

#[test]
fn versions_rise_and_every_change_is_on_the_trail() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.generation().unwrap(), 0);
    assert_eq!(
        put(&store, record("adv_a", "A"), &[], Keep::Changes)
            .unwrap()
            .version,
        1
    );
    assert_eq!(
        put(&store, record("adv_a", "B"), &[], Keep::Changes)
            .unwrap()
            .version,
        2
    );
    let gone = Record {
        archived: true,
        ..record("adv_a", "B")
    };
    assert_eq!(put(&store, gone, &[], Keep::Changes).unwrap().version, 3);
    assert_eq!(store.generation().unwrap(), 3);
    assert!(store.all().unwrap().is_empty());
    let trail = store.read(|view| view.audit(u64::MAX, 10)).unwrap();
    assert_eq!(trail.len(), 3);
    assert_eq!((trail[0].seq, &trail[0].after), (3, &None));
    assert_eq!(trail[1].before.as_ref().unwrap()["name"], "A");
    assert_eq!((trail[2].who.as_str(), &trail[2].before), ("test", &None));
}

#[test]
fn what_is_not_kept_leaves_no_trace() {
    let store = Store::in_memory().unwrap();
    put(&store, record("adv_a", "A"), &[], Keep::Nothing).unwrap();
    let failed: Result<(), StoreError> = store.write(|view| {
        view.put(record("adv_b", "B"), &[], None, "test")?;
        Err(StoreError::TooNew { found: 9 })
    });
    assert!(failed.is_err());
    assert_eq!((get(&store, "adv_a"), get(&store, "adv_b")), (None, None));
    assert_eq!(store.generation().unwrap(), 0);
}

#[test]
fn a_name_has_one_holder_until_it_is_given_up() {
    let store = Store::in_memory().unwrap();
    put(&store, record("adv_a", "A"), &["x", "y"], Keep::Changes).unwrap();
    assert!(put(&store, record("adv_b", "B"), &["y"], Keep::Changes).is_err());
    put(&store, record("adv_a", "A"), &["x"], Keep::Changes).unwrap();
    put(&store, record("adv_b", "B"), &["y"], Keep::Changes).unwrap();
    let holder = store
        .read(|view| view.holder(Kind::Advertiser, "y"))
        .unwrap();
    assert_eq!(holder.as_deref(), Some("adv_b"));
}

#[test]
fn lists_are_filtered_in_order() {
    let store = Store::in_memory().unwrap();
    for (index, id) in ["adv_c", "adv_a", "adv_d", "adv_b"].into_iter().enumerate() {
        let parent = if index % 2 == 0 { "even" } else { "odd" }.to_owned();
        let record = Record {
            parent,
            archived: id == "adv_d",
            ..record(id, id)
        };
        put(&store, record, &[], Keep::Changes).unwrap();
    }
    let ids = |filter: Filter| -> Vec<String> {
        let found = store
            .read(|view| view.list(Kind::Advertiser, &filter))
            .unwrap();
        found.into_iter().map(|record| record.id).collect()
    };
    let all = || Filter {
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(ids(all()), ["adv_a", "adv_b", "adv_c"]);
    assert_eq!(
        ids(Filter {
            archived: true,
            ..all()
        })
        .len(),
        4
    );
    assert_eq!(
        ids(Filter {
            after: "adv_a".to_owned(),
            limit: 1,
            ..all()
        }),
        ["adv_b"]
    );
    assert_eq!(
        ids(Filter {
            parent: Some("odd".to_owned()),
            ..all()
        }),
        ["adv_a", "adv_b"]
    );
    let accounts = Some(vec!["adv_b".to_owned(), "adv_x".to_owned()]);
    assert_eq!(ids(Filter { accounts, ..all() }), ["adv_b"]);
    assert!(
        ids(Filter {
            accounts: Some(Vec::new()),
            ..all()
        })
        .is_empty()
    );
}

#[test]
fn answers_are_remembered_for_a_day() {
    let store = Store::in_memory().unwrap();
    let remember = |key: &str, second: i64| {
        let now = Timestamp::from_second(second).unwrap();
        let kept: Result<(), StoreError> = store.write(|view| {
            view.remember("k", key, &[1; 32], "answer", now)?;
            Ok(((), Keep::Changes))
        });
        kept.unwrap();
    };
    remember("a", 1000);
    remember("b", 1000 + REMEMBERED_S);
    let found = |key: &str| store.read(|view| view.remembered("k", key)).unwrap();
    assert_eq!(found("a"), Some(([1; 32], "answer".to_owned())));
    remember("c", 1001 + REMEMBERED_S);
    assert_eq!(found("a"), None);
    assert!(found("b").is_some() && found("c").is_some());
}

#[test]
fn a_file_opens_again_and_a_later_form_is_refused() {
    let folder = std::env::temp_dir().join(format!("gavel-control-store-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("control.db");
    let store = Store::open(&path).unwrap();
    put(&store, record("adv_a", "A"), &["x"], Keep::Changes).unwrap();
    let beside = Store::open(&path).unwrap();
    put(&beside, record("adv_b", "B"), &[], Keep::Changes).unwrap();
    assert_eq!(
        store.generation().unwrap(),
        2,
        "a change of another process is seen"
    );
    assert_eq!(store.all().unwrap().len(), 2);
    drop((store, beside));
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", FORM + 1)
        .unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::TooNew { .. })));
    std::fs::remove_dir_all(&folder).unwrap();
}
