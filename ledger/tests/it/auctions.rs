//! The auction log's file: what is written is read back, in its time, until it is pruned.

use crate::fixture::{EUR, File};
use ledger::statement::Period;
use ledger::store::{AuctionFile, LoggedAuction, StoreError};
use ledger::{AuctionRecord, BidRecord, Cpm};

fn bid(partner: &str, outcome: &'static str, price: i64) -> BidRecord {
    BidRecord {
        imp: "1".into(),
        placement: "top".into(),
        floor: Cpm(500_000),
        partner: partner.into(),
        seat: "s".into(),
        line_item: "li".into(),
        creative: "cr".into(),
        bid: Cpm(2_000_000),
        currency: EUR,
        outcome,
        reason: i64::from(price == 0) * 102,
        price: Cpm(price),
        key: [u8::from(price > 0); 16],
        deal: "d-1".into(),
        held_to: Cpm(123),
    }
}

fn auction(number: i64) -> AuctionRecord {
    AuctionRecord {
        at_ms: number * 1_000,
        auction: format!("a{number}"),
        publisher: "pub".into(),
        country: "FRA".into(),
        imps: 1,
        currency: EUR,
        ended: "sold",
        offered: vec![ledger::ImpRecord {
            imp: "1".into(),
            request_floor: Cpm(5),
            placement_floor: Cpm(6),
            fields: "a\u{1f}b".into(),
        }],
        bids: vec![bid("one", "won", 1_500_000), bid("two", "outbid", 0)],
    }
}

fn all(file: &AuctionFile, period: Period) -> Vec<LoggedAuction> {
    let mut found = Vec::new();
    file.each(period, |logged| {
        found.push(logged.clone());
        Ok::<_, StoreError>(())
    })
    .unwrap();
    found
}

#[test]
fn what_is_written_is_read_back_until_it_is_pruned() {
    let place = File::new("auctions");
    let mut file = AuctionFile::open(place.path()).unwrap();
    let records: Vec<AuctionRecord> = [3, 1, 2].map(auction).into();
    file.append(&records).unwrap();
    drop(file);
    let mut file = AuctionFile::open(place.path()).unwrap();
    file.append(&[auction(4)]).unwrap();
    let found = all(
        &file,
        Period {
            from_ms: 2_000,
            to_ms: 4_000,
        },
    );
    let names: Vec<&str> = found
        .iter()
        .map(|one| one.record.auction.as_str())
        .collect();
    assert_eq!(names, ["a2", "a3"], "in the order of their time");
    assert_eq!(
        (found[0].ended.as_str(), &*found[0].outcomes),
        ("sold", &["won".to_owned(), "outbid".to_owned()][..])
    );
    let mut expected = auction(2).bids;
    for bid in &mut expected {
        bid.outcome = "";
    }
    assert_eq!(found[0].record.bids, expected);
    assert_eq!(file.prune(4_000, 2).unwrap(), 2);
    assert_eq!(file.prune(4_000, 2).unwrap(), 1);
    assert_eq!(file.prune(4_000, 2).unwrap(), 0);
    let reader = AuctionFile::read(place.path()).unwrap().unwrap();
    let left = all(&reader, Period::ALL);
    assert_eq!((left.len(), left[0].record.bids.len()), (1, 2));
}
