use super::*;
use openrtb::Limits;
use openrtb::request::NativeMarkup;
use serde_json::{Value, json};

fn native() -> Native {
    let image = |kind, w, h| Image {
        kind,
        url: format!("https://c.example/{w}.png"),
        w,
        h,
        mime: "image/jpg".to_owned(),
    };
    let data = |kind, value: &str| Data {
        kind,
        value: value.to_owned(),
    };
    let assets = Assets {
        titles: vec!["Short".to_owned(), "A longer \"title\"".to_owned()],
        images: vec![image(3, 300, 200), image(3, 1_200, 800), image(1, 80, 80)],
        data: vec![data(2, "Text"), data(2, "A longer text"), data(1, "Acme")],
        video: None,
        privacy: Some("https://why.example/".to_owned()),
    };
    Native::new(&assets, &mut Parts::default())
}

/// The answer to a request, or none.
fn answer(request: &Value, ver: Option<&str>) -> Option<Value> {
    let text = request.to_string();
    let arena = bumpalo::Bump::new();
    let markup = NativeMarkup::Text(&text);
    let request = openrtb::native::decode(markup, &arena, Limits::default()).unwrap();
    let native = native();
    let mut out = Vec::new();
    native.fits(&request).then(|| {
        let fill = |hole: Hole, out: &mut Vec<u8>| {
            let text: &[u8] = match hole {
                Hole::Click { .. } => b"click",
                Hole::Impression { .. } => b"impression",
                Hole::View { .. } => b"view",
                Hole::CacheBuster => b"1",
            };
            out.extend_from_slice(text);
        };
        native.write(&request, ver, fill, &mut out);
        serde_json::from_slice(&out).unwrap()
    })
}

#[test]
fn each_asset_gets_the_best_that_meets_its_demands() {
    let asked = json!({"assets": [
        {"id": 7, "required": 1, "title": {"len": 90}},
        {"id": 8, "required": 1, "img": {"type": 3, "wmin": 200, "hmin": 200}},
        {"id": 9, "img": {"type": 3, "w": 300, "h": 200, "mimes": ["image/jpeg"]}},
        {"id": 10, "data": {"type": 2, "len": 5}},
        {"id": 11, "data": {"type": 12}},
    ], "privacy": 1});
    let given = answer(&asked, None).unwrap();
    assert_eq!(
        given,
        json!({"ver": "1.2", "assets": [
            {"id": 7, "title": {"text": "A longer \"title\""}},
            {"id": 8, "img": {"url": "https://c.example/1200.png", "w": 1200, "h": 800}},
            {"id": 9, "img": {"url": "https://c.example/300.png", "w": 300, "h": 200}},
            {"id": 10, "data": {"value": "Text"}},
        ], "link": {"url": "click"}, "imptrackers": ["impression"],
            "privacy": "https://why.example/"})
    );
}

#[test]
fn a_required_asset_that_is_missing_means_no_answer() {
    for asset in [
        json!({"required": 1, "title": {"len": 4}}),
        json!({"required": 1, "img": {"type": 2}}),
        json!({"required": 1, "img": {"type": 3, "w": 301, "h": 200}}),
        json!({"required": 1, "img": {"type": 3, "mimes": ["image/png"]}}),
        json!({"required": 1, "data": {"type": 500}}),
        json!({"required": 1, "video": {"mimes": ["video/mp4"], "protocols": [2]}}),
        // Nothing would be shown at all.
        json!({"required": 0, "title": {"len": 4}}),
    ] {
        assert_eq!(answer(&json!({"assets": [asset]}), None), None, "{asset}");
    }
}

#[test]
fn both_styles_of_trackers_are_spoken() {
    let title = json!({"id": 1, "title": {"len": 9}});
    let asked = |trackers: Value| json!({"assets": [title], "eventtrackers": trackers});
    let styles = |trackers: Value| {
        let given = answer(&asked(trackers), None).unwrap();
        (given["eventtrackers"].clone(), given["imptrackers"].clone())
    };
    let event = |event: i64, url: &str| json!({"event": event, "method": 1, "url": url});
    assert_eq!(
        styles(json!([{"event": 1, "methods": [1, 2]}, {"event": 2, "methods": [1]}])),
        (
            json!([event(1, "impression"), event(2, "view")]),
            Value::Null
        )
    );
    assert_eq!(
        styles(json!([{"event": 1, "methods": [2]}, {"event": 2, "methods": [1]}])),
        (json!([event(2, "view")]), json!(["impression"]))
    );
}

#[test]
fn old_versions_wrap_their_answer() {
    let asked = json!({"assets": [{"title": {"len": 9}}]});
    let old = answer(&asked, Some("1.0")).unwrap();
    assert_eq!(old["native"]["assets"][0]["id"], 0);
    assert_eq!(answer(&asked, Some("1.1")).unwrap()["ver"], "1.1");
}
