use super::*;
use crate::fees::DataFees;
use proptest::prelude::*;

fn claims() -> Claims<'static> {
    Claims {
        side: Side::Bidder,
        expires_at: 1_000,
        own_key: None,
        reservation: Some((1, 2, 3)),
        cpm: 2_500_000,
        multiplier: Multiplier::ONE,
        currency: *b"EUR",
        fees: Fees::default(),
        day: Day(20_781),
        draws: Draws {
            line_item: true,
            campaign: true,
            ..Draws::default()
        },
        user: 7,
        exposure: Exposure {
            user: 7,
            household: 0,
            scopes: [3, 5, 0, 0],
        },
        sale: Sale::default(),
        exchange: "demo",
        seat: "acme",
        advertiser: "adv_acme",
        campaign: "cmp_1",
        auction: "a",
        imp: "1",
        bid: "b",
        line_item: "li_1",
        creative: "cr_1",
        publisher: "pub_1",
        placement: "",
        partner: "",
        url: "https://acme.example/?q=é",
    }
}

fn signed(signer: &Signer, purpose: Purpose, claims: &Claims<'_>) -> String {
    let mut out = Vec::new();
    signer.sign(purpose, claims, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_token_carries_its_claims() {
    let signer = Signer::new(&[(1, [9; 32])]);
    let text = signed(&signer, Purpose::Notice, &claims());
    let mut buffer = Vec::new();
    assert_eq!(
        signer.verify(Purpose::Notice, &text, 999, &mut buffer),
        Ok(claims())
    );
    let long = "x".repeat(2_000);
    let with_long_url = Claims {
        url: &long,
        multiplier: Multiplier::new(12_500_000).unwrap(),
        exposure: Exposure::default(),
        reservation: None,
        ..claims()
    };
    let text = signed(&signer, Purpose::Click, &with_long_url);
    assert_eq!(
        signer.verify(Purpose::Click, &text, 0, &mut buffer),
        Ok(with_long_url)
    );
}

#[test]
fn a_sale_carries_its_terms() {
    let signer = Signer::new(&[(1, [9; 32])]);
    let sold = Claims {
        side: Side::Exchange,
        sale: Sale {
            share_ppm: 850_000,
            allow_private: true,
        },
        ..claims()
    };
    let text = signed(&signer, Purpose::Impression, &sold);
    let mut buffer = Vec::new();
    assert_eq!(
        signer.verify(Purpose::Impression, &text, 0, &mut buffer),
        Ok(sold)
    );
}

#[test]
fn a_token_serves_its_purpose_only_and_in_its_time() {
    let signer = Signer::new(&[(1, [9; 32])]);
    let text = signed(&signer, Purpose::Impression, &claims());
    let mut buffer = Vec::new();
    let at = |purpose, now, buffer: &mut Vec<u8>| {
        signer
            .verify(purpose, &text, now, buffer)
            .map(|claims| claims.cpm)
    };
    assert_eq!(at(Purpose::Impression, 1_000, &mut buffer), Ok(2_500_000));
    assert_eq!(
        at(Purpose::Impression, 1_001, &mut buffer),
        Err(Rejected::Expired)
    );
    assert_eq!(at(Purpose::Notice, 0, &mut buffer), Err(Rejected::Forged));
    assert_eq!(at(Purpose::Click, 0, &mut buffer), Err(Rejected::Forged));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let signer = Signer::new(&[(1, [9; 32])]);
    let text = signed(&signer, Purpose::Notice, &claims());
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    let mut buffer = Vec::new();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let altered = URL_SAFE_NO_PAD.encode(altered);
        assert!(
            signer
                .verify(Purpose::Notice, &altered, 0, &mut buffer)
                .is_err(),
            "{bit}"
        );
    }
    for end in 0..text.len() {
        assert!(
            signer
                .verify(Purpose::Notice, &text[..end], 0, &mut buffer)
                .is_err()
        );
    }
}

#[test]
fn a_draft_signs_what_a_whole_token_would() {
    let signer = Signer::new(&[(1, [9; 32])]);
    // Every remainder of three, and payloads that do not fit on the stack.
    for length in [0, 1, 2, 3, 600, 601, 602] {
        let auction = "x".repeat(length);
        let claims = Claims {
            auction: &auction,
            ..claims()
        };
        let draft = signer.draft(&claims);
        for (purpose, url) in [
            (Purpose::Notice, ""),
            (Purpose::Click, "https://a.example/"),
        ] {
            let mut text = Vec::new();
            draft.sign(purpose, url, &mut text);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text, signed(&signer, purpose, &Claims { url, ..claims }));
            let mut buffer = Vec::new();
            let read = signer.verify(purpose, &text, 0, &mut buffer);
            assert_eq!(read, Ok(Claims { url, ..claims }));
        }
    }
}

#[test]
fn keys_rotate() {
    let old = Signer::new(&[(1, [1; 32])]);
    let both = Signer::new(&[(2, [2; 32]), (1, [1; 32])]);
    let new = Signer::new(&[(2, [2; 32])]);
    let text = signed(&old, Purpose::Notice, &claims());
    let mut buffer = Vec::new();
    assert!(both.verify(Purpose::Notice, &text, 0, &mut buffer).is_ok());
    assert_eq!(
        new.verify(Purpose::Notice, &text, 0, &mut buffer),
        Err(Rejected::UnknownKey)
    );
    let text = signed(&both, Purpose::Notice, &claims());
    assert!(new.verify(Purpose::Notice, &text, 0, &mut buffer).is_ok());
}

#[test]
fn ids_do_not_run_together() {
    let key = |auction, imp| idempotency_key(Side::Bidder, "x", auction, imp, "b");
    assert_ne!(key("ab", "c"), key("a", "bc"));
}

#[test]
fn a_key_is_that_of_the_ids_unless_it_is_told() {
    let of_ids = idempotency_key(Side::Bidder, "demo", "a", "1", "b");
    assert_eq!(claims().key(), of_ids);
    let own_key = Some([3; 16]);
    let told = Claims {
        own_key,
        ..claims()
    };
    assert_eq!(told.key(), [3; 16]);
}

prop_compose! {
    fn parts()(
        expires_at: u32,
        own_key: Option<[u8; 16]>,
        reservation: Option<(u32, u32, u32)>,
        cpm in 0..=i64::MAX,
        millionths in 1_i64..2_000_000,
        day: u32,
        draws: u8,
        user in prop_oneof![Just(0), Just(7), any::<u64>()],
        counted in (prop_oneof![Just(0), Just(7), any::<u64>()], prop_oneof![Just(0), any::<u64>()]),
        scopes in prop::collection::vec(1_u32.., 0..=Exposure::SCOPES),
        share_ppm: Option<u32>,
        platform_ppm in prop_oneof![Just(0), 1_u32..=1_000_000],
        data in prop::sample::select(vec!["", "prv_a=400000", "prv_a=1,prv_b=1000000000000000"]),
    ) -> Claims<'static> {
        let mut exposure = Exposure::default();
        if !scopes.is_empty() {
            (exposure.user, exposure.household) = counted;
            exposure.scopes[..scopes.len()].copy_from_slice(&scopes);
        }
        Claims {
            side: if share_ppm.is_some() { Side::Exchange } else { Side::Bidder },
            expires_at,
            own_key,
            reservation,
            cpm,
            multiplier: Multiplier::new(millionths).unwrap_or(Multiplier::ONE),
            fees: Fees {
                platform_ppm,
                data: DataFees::read(data).unwrap(),
            },
            day: Day(day),
            draws: Draws::from_bits(draws),
            user,
            exposure,
            sale: share_ppm.map_or(Sale::default(), |share_ppm| Sale {
                share_ppm,
                allow_private: share_ppm % 2 == 0,
            }),
            ..claims()
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_claimed_is_read_back(
        parts in parts(),
        texts in prop::array::uniform12("[a-zé]{0,9}|[0-9a-f]{300}"),
        same_seat: bool,
    ) {
        let [exchange, seat, advertiser, campaign, auction, imp, bid, line_item, creative,
            publisher, placement, partner] = texts.each_ref();
        let told = Claims {
            exchange,
            seat: if same_seat { advertiser } else { seat },
            advertiser,
            campaign,
            auction,
            imp,
            bid,
            line_item,
            creative,
            publisher,
            placement,
            partner,
            ..parts
        };
        let signer = Signer::new(&[(1, [9; 32])]);
        let text = signed(&signer, Purpose::Click, &told);
        let mut buffer = Vec::new();
        prop_assert_eq!(signer.verify(Purpose::Click, &text, 0, &mut buffer), Ok(told));
    }
}
