//! User → segments, in process: the table that a node reads for every request.
//!
//! Path: `UserKey::new` (hash of an id) and `Lookup::segments_of`, as `bidder::intake` calls
//! them; and the build of a generation as the maintenance thread does it. Input: a million users
//! with twelve segments out of 5,000, visited in random order so that a hit pays for its cache
//! misses; four strangers for each known id where a request carries extended ids. A regression in
//! a lookup is paid by every bid request, one in the build delays new segments.

use audience::{
    Builder, Generation, IdKind, KeySeed, Limits, Lookup, SegmentId, SegmentSet, UserKey,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use load_tests::corpus::{Random, User};
use std::hint::black_box;

const USERS: u64 = 1_000_000;
const SEGMENTS: u64 = 5_000;
/// Users of the bench that builds, few enough for many samples.
const BUILT: u64 = 100_000;
/// Most segments of one person, more than anybody here has.
const MOST: usize = 1_024;

fn key(number: u64) -> UserKey {
    let id = User(number).buyeruid();
    UserKey::new(KeySeed::default(), IdKind::BuyerUid, id.as_bytes()).expect("the id is short")
}

/// Keys and sorted segments of `users` users.
fn members(users: u64) -> Vec<(UserKey, Vec<SegmentId>)> {
    let mut random = Random::new(3);
    let segments = |random: &mut Random| {
        let draw = |_| SegmentId(random.below(SEGMENTS) as u32);
        let mut ids: Vec<SegmentId> = (0..12).map(draw).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    (0..users)
        .map(|number| (key(number), segments(&mut random)))
        .collect()
}

fn table(members: &[(UserKey, Vec<SegmentId>)]) -> Lookup {
    let mut builder = Builder::new(Limits::default());
    for (user, segments) in members {
        builder.add(*user, segments).expect("the table has room");
    }
    builder.finish(Generation(1)).expect("the table has room")
}

/// Random numbers of users, drawn before time is taken.
fn order(from: u64, count: u64) -> Vec<u64> {
    let mut random = Random::new(11);
    (0..1 << 20).map(|_| from + random.below(count)).collect()
}

fn lookups(criterion: &mut Criterion) {
    let table = table(&members(USERS));
    let mut group = criterion.benchmark_group("audience");
    let mut set = SegmentSet::with_limit(MOST);
    let mut visit = |name: &str, keys: &[UserKey], ids: usize, expected: bool| {
        let (mut at, mut found) = (0, 0_usize);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                table.segments_of(&keys[at..at + ids], &mut set);
                let segments = set.as_slice().len();
                found += segments;
                // The next person depends on this one's segments, so that lookups of different
                // requests do not overlap in the bench either.
                at = (at + ids * (1 + segments % 2)) % (keys.len() - ids);
                black_box(segments)
            });
        });
        assert_eq!(found > 0, expected, "{name}: {found} segments found");
    };
    let known: Vec<UserKey> = order(0, USERS).into_iter().map(key).collect();
    let strangers: Vec<UserKey> = order(USERS, USERS).into_iter().map(key).collect();
    visit("hit/1000000_users", &known, 1, true);
    visit("miss/1000000_users", &strangers, 1, false);
    let mixed: Vec<UserKey> = known
        .iter()
        .zip(strangers.chunks_exact(4))
        .flat_map(|(known, four)| [*known].into_iter().chain(four.iter().copied()))
        .collect();
    visit("one_hit_four_misses/1000000_users", &mixed, 5, true);
    group.bench_function("key", |bencher| {
        let ids: Vec<String> = (0..1024).map(|number| User(number).buyeruid()).collect();
        let mut at = 0;
        bencher.iter(|| {
            at = (at + 1) % ids.len();
            UserKey::new(KeySeed::default(), IdKind::BuyerUid, ids[at].as_bytes())
        });
    });
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let members = members(BUILT);
    let mut group = criterion.benchmark_group("audience_build");
    group.throughput(Throughput::Elements(BUILT));
    group.sample_size(10);
    group.bench_function("100000_users", |bencher| {
        bencher.iter_batched(|| (), |()| table(&members), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, lookups, build);
criterion_main!(benches);
