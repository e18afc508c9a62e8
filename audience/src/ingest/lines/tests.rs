use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::lookup::{BuildError, Generation, Limits, Lookup};

const CORPUS: [&[u8]; 4] = [
    include_bytes!("../../../corpus/lines/good.tsv"),
    include_bytes!("../../../corpus/lines/bad.tsv"),
    include_bytes!("../../../corpus/lines/good.csv"),
    include_bytes!("../../../corpus/lines/bad.csv"),
];

fn read_with(limits: LineLimits, format: Format, text: &[u8]) -> (Report, SegmentNames, Lookup) {
    let mut names = SegmentNames::with_limit(100);
    let mut builder = Builder::new(Limits {
        entries: 50,
        ..Limits::default()
    });
    let mut ingest = Ingest::new(format, KeySeed::default(), limits, &mut names, &mut builder);
    ingest.feed(text);
    let report = ingest.finish();
    (report, names, builder.finish(Generation(1)).unwrap())
}

fn read(format: Format, text: &[u8]) -> (Report, SegmentNames, Lookup) {
    read_with(LineLimits::default(), format, text)
}

fn segments_of<'n>(
    (_, names, lookup): &'n (Report, SegmentNames, Lookup),
    kind: IdKind<'_>,
    id: &str,
) -> Vec<&'n str> {
    let key = UserKey::new(KeySeed::default(), kind, id.as_bytes()).unwrap();
    lookup
        .get(key)
        .iter()
        .map(|segment| names.name(segment).unwrap())
        .collect()
}

fn errors(report: &Report) -> Vec<(u64, &'static str)> {
    report
        .first
        .iter()
        .map(|error| (error.line, error.reason.label()))
        .collect()
}

#[test]
fn every_kind_of_id_finds_its_segments() {
    for (format, text) in [(Format::Tabs, CORPUS[0]), (Format::Csv, CORPUS[2])] {
        let result = read(format, text);
        assert_eq!(result.0.first, []);
        assert_eq!(
            (result.0.lines, result.0.users, result.0.memberships),
            (8, 5, 8)
        );
        assert_eq!(
            segments_of(&result, IdKind::BuyerUid, "b-8f2"),
            ["autos", "travel", "sport"]
        );
        let ifa = "38400000-8CF0-11BD-B23E-10B96E40000D";
        assert_eq!(segments_of(&result, IdKind::Ifa, ifa), ["autos"]);
        assert_eq!(
            segments_of(
                &result,
                IdKind::Eid {
                    source: "id.example"
                },
                "Xq1"
            ),
            ["sport"]
        );
        assert_eq!(
            segments_of(&result, IdKind::UserId, "u-1"),
            ["travel", "sport"]
        );
        assert_eq!(segments_of(&result, IdKind::BuyerUid, "u-1"), [""; 0]);
    }
}

#[test]
fn every_fault_is_reported_with_its_line_and_the_rest_is_taken() {
    let (report, _, lookup) = read(Format::Tabs, CORPUS[1]);
    assert_eq!(
        errors(&report),
        [
            (1, "fields"),
            (2, "fields"),
            (3, "kind"),
            (4, "empty_id"),
            (5, "zero_ifa"),
            (6, "source"),
            (7, "no_segments"),
            (8, "segment_name"),
            (9, "segment_name"),
            (10, "not_utf8"),
        ]
    );
    assert_eq!(
        (report.lines, report.users, report.refused(), lookup.users()),
        (11, 1, 10, 1)
    );
    assert_eq!(report.by_reason().map(|(_, count)| count).sum::<u64>(), 10);
    assert_eq!(
        report.first[2].to_string(),
        "line 3: kind is unknown; allowed are buyeruid, eid:SOURCE, ifa, userid"
    );
    assert_eq!(
        report.first[4].to_string(),
        "line 5: ifa is all zeros, which is nobody; leave such users out"
    );
}

#[test]
fn csv_wants_its_header_and_no_quotes() {
    assert_eq!(
        errors(&read(Format::Csv, CORPUS[3]).0),
        [(1, "no_header"), (3, "quoted")]
    );
    assert_eq!(errors(&read(Format::Csv, b"").0), [(1, "no_header")]);
    assert_eq!(errors(&read(Format::Tabs, b"").0), []);
}

#[test]
fn limits_hold_on_the_last_byte() {
    let limits = LineLimits {
        bytes: 15,
        segments: 2,
    };
    let (report, _, lookup) = read_with(
        limits,
        Format::Tabs,
        b"userid\tu1\ta,bcde\nuserid\tu2\ta,bcd\r\nuserid\tu2\ta,bcde\r\nuserid\tu\ta,b,c\n",
    );
    assert_eq!(
        errors(&report),
        [(1, "long_line"), (3, "long_line"), (4, "many_segments")]
    );
    assert_eq!((report.users, lookup.users()), (1, 1));
}

#[test]
fn a_full_dictionary_or_audience_refuses_lines_and_keeps_what_it_has() {
    let many: Vec<String> = (0..101).map(|n| format!("userid\tu\ts{n}\n")).collect();
    let many = many.concat();
    let (report, names, lookup) = read(Format::Tabs, many.as_bytes());
    assert_eq!(report.users, 50);
    assert_eq!(
        report.by_reason().collect::<Vec<_>>(),
        [("many_names", 1), ("full", 50)]
    );
    assert_eq!(report.first.len(), ERRORS_KEPT);
    assert_eq!(
        report.first[0].reason,
        Reason::Full(BuildError::Entries { limit: 50 })
    );
    assert_eq!(
        (names.len(), lookup.users(), lookup.memberships()),
        (100, 1, 50)
    );
}

#[test]
fn a_refused_line_names_no_segment() {
    let (report, names, _) = read(Format::Tabs, b"userid\tu\tgood,b d\nuserid\tu\tlater\n");
    assert_eq!((report.refused(), names.len()), (1, 1));
    assert_eq!(names.name(SegmentId(0)), Some("later"));
}

#[test]
fn no_error_repeats_an_id() {
    let secret = "a-very-private-id";
    for line in [
        format!("userid\t{secret}\t\n"),
        format!("cookie\t{secret}\ta\n"),
        format!("userid\t{secret}\ta\tb\n"),
        format!("userid\t{secret}\ta b\n"),
        format!("{secret}{secret}"),
        format!("{secret}\tuserid\ta\n"),
    ] {
        let (report, ..) = read(Format::Tabs, line.as_bytes());
        assert_eq!(report.first.len(), 1);
        assert!(
            !report.first[0].to_string().contains(secret),
            "{}",
            report.first[0]
        );
    }
}

#[test]
fn the_corpus_holds_what_must_hold_for_any_bytes() {
    for file in CORPUS {
        for choice in 0..=u8::MAX {
            let mut data = vec![choice];
            data.extend_from_slice(file);
            fuzz(&data);
        }
        for end in 0..file.len() {
            fuzz(&file[..end]);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_hold(data in vec(any::<u8>(), 0..300)) {
        fuzz(&data);
    }

    #[test]
    fn bytes_like_a_file_hold(
        choice in any::<u8>(),
        parts in vec(
            prop::sample::select(vec![
                "buyeruid", "ifa", "eid:", "userid", "\t", "\t", ",", ";", "\n", "\n", "\r", "a",
                "b", "0", "#", "\"", "kind,id,segments\n", "\u{feff}", "é",
            ]),
            0..80,
        ),
    ) {
        let mut data = vec![choice];
        data.extend(parts.concat().bytes());
        fuzz(&data);
    }
}
