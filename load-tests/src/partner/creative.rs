//! Markup that fits an impression: HTML, VAST or a native answer.

use serde_json::{Map, Value, json};

/// The markup of a bid and what the bid says about it.
pub(super) struct Creative {
    pub(super) adm: String,
    /// OpenRTB `mtype`: 1 banner, 2 video, 4 native.
    pub(super) mtype: u8,
    pub(super) w: u64,
    pub(super) h: u64,
}

/// A creative for `imp`, or `None` if it offers no format that the partner sells.
pub(super) fn for_imp(imp: &Value, domain: &str) -> Option<Creative> {
    if let Some(banner) = imp.get("banner") {
        let (w, h) = banner_size(banner);
        let adm = format!(
            "<a href=\"https://{domain}/\"><img src=\"https://cdn.{domain}/{w}x{h}.png\" \
             width=\"{w}\" height=\"{h}\" alt=\"\"></a>"
        );
        return Some(Creative {
            adm,
            mtype: 1,
            w,
            h,
        });
    }
    if let Some(video) = imp.get("video") {
        let (w, h) = size_of(video).unwrap_or((640, 360));
        return Some(Creative {
            adm: vast(video, domain, w, h),
            mtype: 2,
            w,
            h,
        });
    }
    let native = imp.get("native")?.get("request")?;
    let request: Value = match native {
        Value::String(text) => serde_json::from_str(text).ok()?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            native.clone()
        }
    };
    Some(Creative {
        adm: native_answer(&request, domain),
        mtype: 4,
        w: 0,
        h: 0,
    })
}

fn banner_size(banner: &Value) -> (u64, u64) {
    let format = banner.get("format").and_then(|formats| formats.get(0));
    size_of(banner)
        .or_else(|| size_of(format?))
        .unwrap_or((300, 250))
}

fn size_of(object: &Value) -> Option<(u64, u64)> {
    Some((object.get("w")?.as_u64()?, object.get("h")?.as_u64()?))
}

fn vast(video: &Value, domain: &str, w: u64, h: u64) -> String {
    let least = video
        .get("minduration")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let most = video
        .get("maxduration")
        .and_then(Value::as_u64)
        .unwrap_or(15);
    let seconds = 15.clamp(least.min(most), most).min(59);
    format!(
        "<VAST version=\"4.2\"><Ad id=\"1\"><InLine><AdSystem>mock</AdSystem>\
         <AdTitle>Mock</AdTitle><Impression><![CDATA[https://{domain}/i]]></Impression>\
         <Creatives><Creative><Linear><Duration>00:00:{seconds:02}</Duration><MediaFiles>\
         <MediaFile delivery=\"progressive\" type=\"video/mp4\" width=\"{w}\" height=\"{h}\">\
         <![CDATA[https://cdn.{domain}/v.mp4]]></MediaFile></MediaFiles></Linear></Creative>\
         </Creatives></InLine></Ad></VAST>"
    )
}

fn native_answer(request: &Value, domain: &str) -> String {
    let request = request.get("native").unwrap_or(request);
    let assets: Vec<Value> = request
        .get("assets")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(32)
        .map(|asset| native_asset(asset, domain))
        .collect();
    let link = format!("https://{domain}/");
    json!({"native": {"ver": "1.2", "link": {"url": link}, "assets": assets}}).to_string()
}

fn native_asset(asset: &Value, domain: &str) -> Value {
    let mut answer = Map::new();
    answer.insert(
        "id".to_owned(),
        asset.get("id").cloned().unwrap_or(Value::from(0)),
    );
    if asset.get("title").is_some() {
        answer.insert("title".to_owned(), json!({"text": "A mock title"}));
    } else if let Some(image) = asset.get("img") {
        let side = |name, least| {
            let number = |key: &str| image.get(key).and_then(Value::as_u64);
            number(name).or_else(|| number(least)).unwrap_or(100)
        };
        let (w, h) = (side("w", "wmin"), side("h", "hmin"));
        let url = format!("https://cdn.{domain}/{w}x{h}.png");
        answer.insert("img".to_owned(), json!({"url": url, "w": w, "h": h}));
    } else {
        answer.insert("data".to_owned(), json!({"value": "mock"}));
    }
    Value::Object(answer)
}
