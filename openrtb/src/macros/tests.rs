use super::*;

const VALUES: Values<'static> = Values {
    auction_id: Some("a-1"),
    bid_id: Some("b-1"),
    imp_id: Some("1"),
    seat_id: Some("s&1"),
    ad_id: Some("ad/1"),
    price: Some("1.50"),
    currency: Some("EUR"),
    mbr: Some("0.75"),
    loss: Some(102),
    min_to_win: Some("2.00"),
    multiplier: Some("14.2"),
    imp_ts: Some(1_700_000_000_123),
    discount_pct: Some("10"),
    discount_cpm: Some("0.15"),
    audit: false,
};

fn url(text: &str, values: &Values<'_>) -> String {
    both_ways(text, values, Place::Url)
}

fn both_ways(text: &str, values: &Values<'_>, place: Place) -> String {
    let mut once = String::new();
    expand(text, values, place, &mut once);
    let template = Template::parse(text);
    let mut compiled = String::new();
    template.expand(values, place, &mut compiled);
    assert_eq!(once, compiled, "{text}");
    assert_eq!(template.text(), text);
    once
}

#[test]
fn every_macro_becomes_its_value() {
    let expected = [
        "a-1",
        "b-1",
        "1",
        "s%261",
        "ad%2F1",
        "1.50",
        "EUR",
        "0.75",
        "102",
        "2.00",
        "14.2",
        "1700000000123",
        "10",
        "0.15",
    ];
    for ((name, _), expected) in Macro::ALL.iter().zip(expected) {
        let text = format!("https://b.example/n?x=${{{name}}}&y=1");
        assert_eq!(
            url(&text, &VALUES),
            format!("https://b.example/n?x={expected}&y=1")
        );
    }
}

#[test]
fn absent_values_become_nothing_or_audit() {
    let text = "p=${AUCTION_PRICE}&q=${AUCTION_PRICE:B64}&l=${AUCTION_LOSS}.";
    assert_eq!(url(text, &Values::default()), "p=&q=&l=.");
    let audit = Values {
        audit: true,
        loss: Some(0),
        ..Values::default()
    };
    assert_eq!(url(text, &audit), "p=AUDIT&q=AUDIT&l=0.");
}

#[test]
fn foreign_and_broken_macros_stay() {
    for text in [
        "${CLICK_URL}",
        "${AUCTION_PRICES}",
        "${auction_price}",
        "${AUCTION_PRICE",
        "${AUCTION_",
        "$AUCTION_PRICE}",
        "${AUCTION_PRICE:ROT13}",
        "${ AUCTION_PRICE }",
        "",
    ] {
        assert_eq!(url(text, &VALUES), text);
    }
    assert_eq!(url("${X${AUCTION_PRICE}}é", &VALUES), "${X1.50}é");
    assert_eq!(
        url("${AUCTION_NO${AUCTION_PRICE}", &VALUES),
        "${AUCTION_NO1.50"
    );
}

#[test]
fn the_base64_suffix_is_the_url_safe_alphabet() {
    for (value, expected) in [
        ("1.50", "MS41MA"),
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("??>", "Pz8-"),
        ("???", "Pz8_"),
    ] {
        let values = Values {
            price: Some(value),
            ..Values::default()
        };
        assert_eq!(url("${AUCTION_PRICE:B64}", &values), expected);
    }
}

#[test]
fn an_agreed_encoding_is_asked_for_its_suffix() {
    let reversed = |suffix: &str, value: &str, out: &mut String| {
        out.extend(value.chars().rev());
        suffix == "REV"
    };
    let mut out = String::new();
    let text = "${AUCTION_CURRENCY:REV}";
    expand_with(text, &VALUES, Place::Markup, &reversed, &mut out);
    assert_eq!(out, "RUE");
}

#[test]
fn a_value_cannot_break_out_of_markup_nor_bring_in_a_macro() {
    let values = Values {
        auction_id: Some("\"><script>'${AUCTION_PRICE}"),
        ad_id: Some("a:b/c=d"),
        ..VALUES
    };
    let text = "<img src=\"//t.example/${AUCTION_AD_ID}?a=${AUCTION_ID}\">";
    assert_eq!(
        both_ways(text, &values, Place::Markup),
        "<img src=\"//t.example/a:b/c=d?a=%22%3E%3Cscript%3E%27${AUCTION_PRICE}\">"
    );
}

#[test]
fn a_template_knows_what_it_mentions() {
    let template = Template::parse("${AUCTION_PRICE:B64}");
    assert!(template.mentions(Macro::Price));
    assert!(!template.mentions(Macro::Id));
    assert!(!template.is_plain());
    assert!(Template::parse("<b>ad</b>").is_plain());
}
