//! Decoding and encoding of requests, in process and without validation.
//!
//! Input: `fixtures/openrtb`, a banner of 1.2 KB, video in an application of 2.7 KB, six imps of
//! 4.4 KB and native of 2.2 KB, each as the bidder reads it (`known`) and as the exchange does
//! (`all`), which also keeps what it does not know. `tape` is the parser alone, with the copy of
//! the input that every decode makes: the difference to `known` is the walk into types. A
//! regression here is paid by every request of both roles.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use openrtb::decode::{Cursor, Decode};
use openrtb::{BidRequest, Encode, Fault, Keep, Limits, Scratch, validate};
use std::hint::black_box;

const SAMPLES: [(&str, &[u8]); 4] = [
    (
        "banner_1k2",
        include_bytes!("../fixtures/openrtb/banner.json"),
    ),
    (
        "native_2k2",
        include_bytes!("../fixtures/openrtb/native.json"),
    ),
    (
        "video_app_2k7",
        include_bytes!("../fixtures/openrtb/video_app.json"),
    ),
    (
        "multi_imp_4k4",
        include_bytes!("../fixtures/openrtb/multi_imp.json"),
    ),
];

/// Leaves the tape as it is.
struct Unread;

impl Decode<'_> for Unread {
    fn decode(_: &mut Cursor<'_, '_>) -> Result<Self, Fault> {
        Ok(Self)
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, body) in SAMPLES {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{name}/tape"), |bencher| {
            let mut scratch = Scratch::default();
            bencher.iter(|| {
                let limits = Limits::default();
                let Unread = scratch
                    .decode(black_box(body), limits, Keep::Known)
                    .expect("the sample is well-formed");
            });
        });
        for (keep_name, keep) in [("known", Keep::Known), ("all", Keep::All)] {
            group.bench_function(format!("{name}/{keep_name}"), |bencher| {
                let mut scratch = Scratch::default();
                bencher.iter(|| {
                    let request: BidRequest = scratch
                        .decode(black_box(body), Limits::default(), keep)
                        .expect("the sample is a request");
                    black_box(request.imp.len())
                });
            });
        }
    }
    group.finish();
}

fn validate_requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validate");
    for (name, body) in SAMPLES {
        let mut scratch = Scratch::default();
        let request: BidRequest = scratch
            .decode(body, Limits::default(), Keep::Known)
            .expect("the sample is a request");
        group.bench_function(name, |bencher| {
            bencher.iter(|| validate::request(black_box(&request)).expect("the sample is valid"));
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, body) in SAMPLES {
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (keep_name, keep) in [("known", Keep::Known), ("all", Keep::All)] {
            let mut scratch = Scratch::default();
            let request: BidRequest = scratch
                .decode(body, Limits::default(), keep)
                .expect("the sample is a request");
            group.bench_function(format!("{name}/{keep_name}"), |bencher| {
                let mut out = Vec::new();
                bencher.iter(|| {
                    out.clear();
                    black_box(&request).encode(&mut out);
                    black_box(out.len())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decode, validate_requests, encode);
criterion_main!(benches);
