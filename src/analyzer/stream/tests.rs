//! A stream may be cut, left and begun again anywhere, and tells the same.

mod letting_go;

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::analyzer::{Analyzer, Config};

type Told = BTreeMap<u64, (crate::domain::FingerprintKeys, String)>;

fn tell(told: &mut Told, event: ErrorEvent) {
    told.insert(event.span.start, (event.keys, event.message));
}

fn one_pass(analyzer: &Analyzer, input: &[u8]) -> Told {
    let mut told = Told::new();
    let mut stream = analyzer.stream();
    stream.push(input, &mut |event| tell(&mut told, event));
    stream.finish(&mut |event| tell(&mut told, event));
    assert_eq!(stream.stats().events, told.len() as u64, "no two events begin at one place");
    told
}

/// The bytes before an offset that a stream begun there wants.
fn before(input: &[u8], offset: u64) -> &[u8] {
    let offset = usize::try_from(offset).unwrap();
    &input[offset.saturating_sub(StreamAnalyzer::BEFORE_BYTES)..offset]
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    assert!(paths.len() > 70, "the corpus is missing");
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A log as a container's runtime writes it: every line on one of two streams, long ones split.
fn in_cri(log: &[u8], streams: &[bool], split: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (line, err) in log.split(|byte| *byte == b'\n').zip(streams.iter().cycle()) {
        let stream = if *err { "stderr" } else { "stdout" };
        let mut parts = line.chunks(split).peekable();
        loop {
            let part = parts.next().unwrap_or_default();
            let tag = if parts.peek().is_some() { 'P' } else { 'F' };
            out.extend_from_slice(format!("2024-05-01T10:00:00.000000000Z {stream} {tag} ").as_bytes());
            out.extend_from_slice(part);
            out.push(b'\n');
            if tag == 'F' {
                break;
            }
        }
    }
    out
}

/// Pieces of real logs in any order, some with the lines of two streams alternating.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let logs = corpus();
    let lines: Vec<Vec<u8>> =
        logs.iter().flat_map(|log| log.split_inclusive(|byte| *byte == b'\n')).map(<[u8]>::to_vec).collect();
    let short: Vec<_> = logs.into_iter().filter(|log| log.len() < 2000).collect();
    let piece = prop_oneof![
        4 => prop::sample::select(lines),
        3 => prop::sample::select(short),
        1 => Just(b"==================\nWARNING: DATA RACE\ngoroutine 1 [running]:\npanic({0x1, 0x2})\n\t/a.go:1 +0x1\nmain.f()\n\t/a.go:1 +0x1\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    let plain = prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat());
    let streams = prop::collection::vec(any::<bool>(), 1..12);
    let programs = prop::collection::vec(0u8..20, 1..12);
    prop_oneof![
        plain.clone(),
        (plain.clone(), programs).prop_map(|(log, programs)| in_compose(&log, &programs)),
        (plain, streams, prop::sample::select(vec![60usize, 5000]))
            .prop_map(|(log, streams, split)| in_cri(&log, &streams, split)),
    ]
}

/// A log as a tool prints those of several programs: every line with its program's name.
fn in_compose(log: &[u8], programs: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (line, program) in log.split(|byte| *byte == b'\n').zip(programs.iter().cycle()) {
        out.extend_from_slice(format!("svc-{program}  | ").as_bytes());
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out
}

fn cuts(input: &[u8], cuts: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    cuts
}

/// One stream, in chunks.
fn in_chunks(analyzer: &Analyzer, input: &[u8], cuts: &[usize]) -> Told {
    let mut told = Told::new();
    let mut stream = analyzer.stream();
    for pair in cuts.windows(2) {
        stream.push(&input[pair[0]..pair[1]], &mut |event| tell(&mut told, event));
    }
    stream.finish(&mut |event| tell(&mut told, event));
    assert_eq!(stream.stats().events, told.len() as u64, "no two events begin at one place");
    told
}

/// A stream that is left at every cut and begun again by another, which reads on from where that must be.
fn in_restarts(analyzer: &Analyzer, input: &[u8], cuts: &[usize]) -> Told {
    let mut told = Told::new();
    let mut resumed = 0;
    let mut stream = analyzer.stream();
    for cut in cuts {
        stream.push(&input[usize::try_from(resumed).unwrap()..*cut], &mut |event| tell(&mut told, event));
        resumed = stream.resume_offset();
        stream = analyzer.stream_from(resumed, before(input, resumed));
    }
    stream.push(&input[usize::try_from(resumed).unwrap()..], &mut |event| tell(&mut told, event));
    stream.finish(&mut |event| tell(&mut told, event));
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Every log whole, each with chunks and places to begin again of its own.
    #[test]
    fn every_log_of_the_corpus_may_be_cut_anywhere(
        at in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..20), corpus().len()),
    ) {
        let analyzer = Analyzer::new(&Config::default()).unwrap();
        let mut events = 0;
        for (log, at) in corpus().iter().zip(at) {
            let (whole, cuts) = (one_pass(&analyzer, log), cuts(log, &at));
            prop_assert_eq!(&in_chunks(&analyzer, log, &cuts), &whole);
            prop_assert_eq!(&in_restarts(&analyzer, log, &cuts), &whole);
            events += whole.len();
        }
        prop_assert!(events > 100, "{} events", events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_chunk_may_end_anywhere(
        input in input(),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let analyzer = Analyzer::new(&Config::default()).unwrap();
        prop_assert_eq!(in_chunks(&analyzer, &input, &cuts(&input, &at)), one_pass(&analyzer, &input));
    }
}

#[test]
fn every_byte_of_a_short_log_may_be_the_last_of_a_chunk() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    for log in corpus().iter().filter(|log| log.len() < 800) {
        let (whole, every) = (one_pass(&analyzer, log), (0..=log.len()).collect::<Vec<_>>());
        assert_eq!(in_chunks(&analyzer, log, &every), whole);
        for cut in every {
            assert_eq!(in_restarts(&analyzer, log, &[0, cut, log.len()]), whole, "begun again at {cut}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_restart_at_any_cut_tells_the_same(
        input in input(),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limit in prop::sample::select(vec![256usize, 300, 1000, 1 << 20]),
    ) {
        let analyzer = Analyzer::new(&Config { max_line_bytes: limit, ..Config::default() }).unwrap();
        let whole = one_pass(&analyzer, &input);
        let mut told = Told::new();
        let mut stream = analyzer.stream();
        let cuts = cuts(&input, &at);
        let mut resumed = 0;
        for cut in &cuts {
            let mut from = usize::try_from(resumed).unwrap();
            // What has been read since then is read again, in two chunks.
            for chunk in [*cut - (*cut - from) / 2, *cut] {
                stream.push(&input[from..chunk], &mut |event| tell(&mut told, event));
                from = chunk;
            }
            prop_assert!(stream.resume_offset() >= resumed && stream.resume_offset() <= *cut as u64);
            prop_assert!(stream.held_bytes() <= analyzer.stream_limit_bytes());
            resumed = stream.resume_offset();
            let settled = stream.settled_offset();
            prop_assert!(whole.range(..settled).all(|(start, event)| told.get(start) == Some(event)));
            stream = analyzer.stream_from(resumed, before(&input, resumed));
        }
        stream.push(&input[usize::try_from(resumed).unwrap()..], &mut |event| tell(&mut told, event));
        stream.finish(&mut |event| tell(&mut told, event));
        prop_assert_eq!(told, whole);
    }

    #[test]
    fn ticks_give_early_and_never_twice(
        input in input(),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let analyzer = Analyzer::new(&Config::default()).unwrap();
        let whole = one_pass(&analyzer, &input);
        let mut starts = Vec::new();
        let mut stream = analyzer.stream();
        let (mut settled, mut doubtful, mut given) = (0, Vec::new(), 0);
        for pair in cuts(&input, &at).windows(2) {
            stream.push(&input[pair[0]..pair[1]], &mut |event| starts.push(event.span.start));
            for _ in 0..2 {
                stream.tick(&mut |event| starts.push(event.span.start));
            }
            prop_assert!(starts[given..].iter().all(|start| *start >= settled || doubtful.contains(start)));
            given = starts.len();
            // What was once settled stays so, whatever of what was doubtful goes on.
            if stream.settled_offset() >= settled {
                (settled, doubtful) = (stream.settled_offset(), stream.doubtful_offsets());
            }
            prop_assert!(stream.resume_offset() <= pair[1] as u64 && settled <= pair[1] as u64);
            prop_assert!(stream.held_bytes() <= analyzer.stream_limit_bytes());
        }
        stream.finish(&mut |event| starts.push(event.span.start));
        prop_assert!(starts[given..].iter().all(|start| *start >= settled || doubtful.contains(start)));
        starts.sort_unstable();
        let once = starts.windows(2).all(|pair| pair[0] < pair[1]);
        prop_assert!(once, "{:?}", starts);
        // A tick may come before the lines that make it no event; none is missing.
        prop_assert!(whole.keys().all(|start| starts.binary_search(start).is_ok()));
    }
}

const DEATH: &str = "panic: runtime error: integer divide by zero\n\ngoroutine 1 [running]:\n\
    main.f()\n\t/srv/main.go:3 +0x1\n";

#[test]
fn an_event_given_early_is_given_once_and_kept_open() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let mut stream = analyzer.stream();
    let mut events = Vec::new();
    stream.push(b"fine\n", &mut |event| events.push(event));
    stream.push(DEATH.as_bytes(), &mut |event| events.push(event));
    stream.tick(&mut |event| events.push(event));
    assert_eq!(events.len(), 0, "lines have just been added");
    assert_eq!((stream.resume_offset(), stream.settled_offset()), (5, 5));
    stream.tick(&mut |event| events.push(event));
    assert_eq!(events.len(), 1);
    assert_eq!(stream.resume_offset(), 5, "it has not ended");
    assert!(stream.settled_offset() > 5, "but it was given");
    stream.push(b"main.main()\n\t/srv/main.go:9 +0x1\nexit status 2\n", &mut |event| events.push(event));
    stream.tick(&mut |event| events.push(event));
    stream.tick(&mut |event| events.push(event));
    stream.push(b"fine\n", &mut |event| events.push(event));
    assert_eq!(events.len(), 1, "what continues it is swallowed");
    assert_eq!(stream.resume_offset(), stream.stats().bytes);
    let again = DEATH.repeat(2);
    stream.push(again.as_bytes(), &mut |event| events.push(event));
    stream.finish(&mut |event| events.push(event));
    assert_eq!(events.len(), 3);
}

#[test]
fn a_structured_record_need_not_wait_for_the_next_line_if_it_is_urgent() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let stack = "goroutine 1 [running]:\nmain.main()\n\t/app/main.go:7 +0x1d\n";
    for (line, is_structured) in [
        ("{\"level\":\"error\",\"msg\":\"order not saved\"}\n", true),
        ("level=error msg=\"order not saved\"\n", true),
        ("{\"level\":\"error\",\"msg\":\"panic recovered: boom\"}\n", false),
        ("2024/05/01 10:00:00 ERROR order not saved\n", false),
    ] {
        let mut stream = analyzer.stream();
        let mut events = Vec::new();
        stream.push(line.as_bytes(), &mut |event| events.push(event));
        stream.pause(&|_| false, &mut |event| events.push(event));
        assert!(events.is_empty(), "{line}: it is not urgent");
        for _ in 0..2 {
            stream.pause(&|_| true, &mut |event| events.push(event));
        }
        assert_eq!(events.len(), usize::from(is_structured), "{line}");
        stream.push(stack.as_bytes(), &mut |event| events.push(event));
        stream.finish(&mut |event| events.push(event));
        assert_eq!(events.len(), 1, "{line}: its stack is no second event");
    }
}

#[test]
fn a_line_without_its_end_is_no_event_yet() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let mut stream = analyzer.stream();
    let mut events = 0;
    stream.push(b"fine\nlevel=error msg=boom", &mut |_| events += 1);
    stream.tick(&mut |_| events += 1);
    stream.tick(&mut |_| events += 1);
    assert_eq!((events, stream.resume_offset()), (0, 5));
    stream.push(b" code=7\n", &mut |_| events += 1);
    stream.tick(&mut |_| events += 1);
    stream.tick(&mut |_| events += 1);
    assert_eq!(events, 1);
}

#[test]
fn an_ended_source_is_done_up_to_its_last_byte_and_may_go_on_there() {
    let analyzer = Analyzer::new(&Config { max_line_bytes: 300, ..Config::default() }).unwrap();
    let long = format!("fine\nlevel=error msg=boom {}", "x".repeat(400));
    for log in ["fine\nlevel=error msg=boom\n", "fine\nlevel=error msg=boom", &long] {
        let mut events = 0;
        let mut stream = analyzer.stream();
        stream.push(log.as_bytes(), &mut |_| events += 1);
        stream.finish(&mut |_| events += 1);
        let end = log.len() as u64;
        assert_eq!((events, stream.resume_offset(), stream.settled_offset()), (1, end, end), "{log}");
        let mut stream = analyzer.stream_from(end, before(log.as_bytes(), end));
        stream.push(b" level=error msg=boom\nfine\n", &mut |_| events += 1);
        stream.finish(&mut |_| events += 1);
        let is_new_line = log.ends_with('\n');
        assert_eq!(events, 1 + usize::from(is_new_line), "{log}: the rest of a line is none");
    }
}

#[test]
fn one_quiet_stream_of_two_is_given_while_the_other_writes() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let mut stream = analyzer.stream();
    let mut events = 0;
    stream.push(b"2024-05-01T10:00:00Z stdout F level=error msg=boom\n", &mut |_| events += 1);
    for _ in 0..2 {
        stream.push(b"2024-05-01T10:00:00Z stderr F fine\n", &mut |_| events += 1);
        stream.tick(&mut |_| events += 1);
    }
    assert_eq!(events, 1);
    let line = b"2024-05-01T10:00:00Z stderr F fine, still fine and quite fine\n";
    let block = line.repeat(10_000);
    for _ in 0..50 {
        stream.push(&block, &mut |_| events += 1);
    }
    assert_eq!(events, 1);
    assert!(stream.stats().bytes - stream.resume_offset() <= 17 << 20, "what is long over is let go");
}

#[test]
fn a_thousand_quiet_streams_cost_little() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let mut held = 0;
    for log in corpus().into_iter().cycle().take(1000) {
        let mut stream = analyzer.stream();
        for chunk in log.chunks(1000) {
            stream.push(chunk, &mut |_| ());
        }
        stream.push(&b"fine, and a line that is carried over".repeat(40), &mut |_| ());
        stream.push(b"\n", &mut |_| ());
        stream.tick(&mut |_| ());
        stream.tick(&mut |_| ());
        held += stream.held_bytes();
    }
    assert!(held < 4 << 20, "{held} bytes");
}

#[test]
fn memory_keeps_its_limit_under_hostile_input() {
    let config = Config { max_line_bytes: 64 << 10, ..Config::default() };
    let analyzer = Analyzer::new(&config).unwrap();
    let long = "x".repeat(70 << 10);
    let symbols = format!("goroutine 1 [running]:\n{}", format!("{long}.f()\n\t/{long}.go:1\n").repeat(20));
    let frames = format!(
        "panic: {long}\n\ngoroutine 1 [running]:\n{}",
        format!("m.{}()\n\t/{}.go:1\n", &long[..60_000], &long[..60_000]).repeat(300)
    );
    let value = format!("http: panic serving a: {long}\n{}", format!("{long}\n").repeat(70));
    let parts = format!("2024-05-01T10:00:00Z stdout P {}\n", &long[..50_000]).repeat(50);
    let record = format!("{{\"level\":\"error\",\"msg\":\"{}\"}}\n", "\\n\\u0001".repeat(8000));
    for hostile in [symbols, frames, value, parts, record, long.clone(), "level=error a=b\n".repeat(10_000)] {
        let mut stream = analyzer.stream();
        for chunk in hostile.as_bytes().chunks(10_000) {
            stream.push(chunk, &mut |_| ());
            assert!(stream.held_bytes() <= analyzer.stream_limit_bytes(), "{}", &hostile[..40]);
        }
    }
}

#[test]
fn split_lines_are_read_whole() {
    let record = r#"{"time":"2024-05-01T10:00:00Z","level":"ERROR","msg":"save","error":"disk is odd"}"#;
    let cri = in_cri(record.as_bytes(), &[false], 20);
    let docker: Vec<_> = record
        .as_bytes()
        .chunks(20)
        .map(|part| String::from_utf8(part.to_vec()).unwrap())
        .enumerate()
        .map(|(index, part)| {
            let end = if (index + 1) * 20 >= record.len() { "\n" } else { "" };
            let log = serde_json::Value::from(part + end);
            format!("{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"2024-05-01T10:00:00Z\"}}\n")
        })
        .collect();
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    for log in [cri, docker.concat().into_bytes()] {
        let mut events = Vec::new();
        let mut stream = analyzer.stream();
        stream.push(&log, &mut |event| events.push(event));
        stream.push(b"2024-05-01T10:00:00Z stdout F fine\n", &mut |event| events.push(event));
        assert_eq!(events.len(), 1, "{}", String::from_utf8_lossy(&log));
        assert_eq!(events[0].message, "save: disk is odd");
        assert_eq!(
            (events[0].span.start, events[0].span.end),
            (0, log.len() as u64 - 1),
            "all parts are covered"
        );
    }
}

#[test]
fn a_split_line_is_cut_at_the_limit_and_counted() {
    let analyzer = Analyzer::new(&Config { max_line_bytes: 300, ..Config::default() }).unwrap();
    let log =
        in_cri(format!("level=error msg=\"boom\" {}\nfine", "x".repeat(1000)).as_bytes(), &[false], 100);
    let mut stream = analyzer.stream();
    let mut events = Vec::new();
    stream.push(&log, &mut |event| events.push(event));
    assert_eq!((events.len(), stream.stats().truncated_lines), (1, 1));
    assert_eq!(events[0].message, "boom");
}
