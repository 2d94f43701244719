//! What waits for bytes to come may be let go before they do.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// For want of room anything may be let go at any time, down to nothing: no event is given twice for it, and
    /// where no line was cut and no failure ended early none is missing.
    #[test]
    fn what_waits_may_be_let_go_at_any_time(
        input in input(),
        at in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![0usize, 1, 1, 1, 7])), 0..6),
        is_line_whole: bool,
    ) {
        let analyzer = Analyzer::new(&Config::default()).unwrap();
        let whole = one_pass(&analyzer, &input);
        let mut starts = Vec::new();
        let mut stream = analyzer.stream();
        let mut read = 0;
        let mut cuts: Vec<_> = at.iter().map(|(at, times)| (at.index(input.len() + 1), *times)).collect();
        cuts.sort_unstable();
        let is_rough = cuts.iter().any(|(_, times)| *times > 1);
        for (cut, times) in cuts {
            let cut = match is_line_whole {
                true => input[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1),
                false => cut,
            };
            stream.push(&input[read.min(cut)..cut], &mut |event| starts.push(event.span.start));
            read = read.max(cut);
            for _ in 0..times {
                let before = stream.waiting_bytes();
                stream.let_go(&mut |event| starts.push(event.span.start));
                prop_assert!(stream.waiting_bytes() < before || before == 0, "{before} bytes stay");
            }
            prop_assert!(times < 7 || stream.waiting_bytes() == 0, "{}", stream.waiting_bytes());
            prop_assert!(stream.resume_offset() <= read as u64);
        }
        stream.push(&input[read..], &mut |event| starts.push(event.span.start));
        stream.finish(&mut |event| starts.push(event.span.start));
        starts.sort_unstable();
        let once = starts.windows(2).all(|pair| pair[0] < pair[1]);
        prop_assert!(once, "{:?}", starts);
        let is_broken_off = is_rough || stream.stats().truncated_lines > 0;
        prop_assert!(is_broken_off || whole.keys().all(|start| starts.binary_search(start).is_ok()));
    }
}

#[test]
fn an_open_trace_that_is_let_go_is_one_event_still() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let frames = "main.f()\n\t/srv/main.go:3 +0x1\n".repeat(90);
    let log = format!("http: panic serving a: b\nit\nsays\nmore\n{}{frames}fine\n", &DEATH[46..]);
    let lines: Vec<_> = log.split_inclusive('\n').collect();
    for cut in 1..lines.len() {
        let mut stream = analyzer.stream();
        let mut events = Vec::new();
        lines[..cut].iter().for_each(|line| stream.push(line.as_bytes(), &mut |event| events.push(event)));
        let waited = stream.waiting_bytes();
        // Memory that is not in use goes first.
        for _ in 0..2 {
            stream.let_go(&mut |event| events.push(event));
        }
        assert!(stream.waiting_bytes() < waited.min(300), "{} of {waited} bytes", stream.waiting_bytes());
        assert_eq!(events.len(), 1, "it is given as far as it was read, behind line {cut}");
        lines[cut..].iter().for_each(|line| stream.push(line.as_bytes(), &mut |event| events.push(event)));
        stream.finish(&mut |event| events.push(event));
        assert_eq!(events.len(), 1, "its other lines are no second event, behind line {cut}");
    }
}

#[test]
fn lines_that_are_let_go_before_their_end_are_cut_and_counted() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let record = format!("level=error msg=boom pad={}", "x".repeat(900));
    let split = String::from_utf8(in_cri(record.as_bytes(), &[false], 100)).unwrap();
    for log in
        [record + "\nlevel=error msg=next\n", split + "2024-05-01T10:00:00Z stdout F level=error msg=next\n"]
    {
        let (begun, rest) = log.split_at(log[..700].rfind('\n').map_or(700, |end| end + 1));
        let mut stream = analyzer.stream();
        let mut events = Vec::new();
        stream.push(begun.as_bytes(), &mut |event| events.push(event));
        assert_eq!((events.len(), stream.stats().truncated_lines), (0, 0));
        while stream.waiting_bytes() > 0 {
            stream.let_go(&mut |event| events.push(event));
        }
        assert_eq!((events.len(), stream.resume_offset()), (1, 0), "it may be read again, whole");
        stream.push(rest.as_bytes(), &mut |event| events.push(event));
        stream.finish(&mut |event| events.push(event));
        assert_eq!(events.iter().map(|event| &*event.message).collect::<Vec<_>>(), ["boom", "next"]);
        assert_eq!(stream.stats().truncated_lines, 1);
    }
}

#[test]
fn what_ends_for_want_of_room_announces_nothing() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let stack = "goroutine 1 [running]:\npanic({0x1, 0x2})\n\t/a.go:1 +0x1\nmain.f()\n\t/a.go:1 +0x1\n";
    for head in ["level=error msg=boom\n", "WARNING: DATA RACE\n", "panic: boom\n"] {
        let mut stream = analyzer.stream();
        let mut starts = Vec::new();
        stream.push(head.as_bytes(), &mut |event| starts.push(event.span.start));
        while stream.waiting_bytes() > 0 {
            stream.let_go(&mut |event| starts.push(event.span.start));
        }
        // Once more than there is something to free: everything open ends.
        stream.let_go(&mut |event| starts.push(event.span.start));
        stream.push(stack.as_bytes(), &mut |event| starts.push(event.span.start));
        stream.finish(&mut |event| starts.push(event.span.start));
        let all = starts.len();
        starts.dedup();
        assert_eq!(starts.len(), all, "{head:?}: {starts:?}");
    }
}

#[test]
fn what_ends_for_its_length_announces_nothing() {
    let analyzer = Analyzer::new(&Config::default()).unwrap();
    let line = |stream: &str, text: &str| format!("2024-05-01T10:00:00Z {stream} F {text}\n");
    let stack =
        ["goroutine 1 [running]:", "panic({0x1, 0x2})", "\t/a.go:1 +0x1", "main.f()", "\t/a.go:1 +0x1"]
            .map(|text| line("stderr", text))
            .concat();
    let last = line("stderr", &format!("level=error msg=boom pad={}", "x".repeat(1000)));
    let mut log = line("stdout", "panic: open for ever");
    // What follows the last line is too far behind the first; the last line is not.
    let target = (16 << 20) - last.len() / 2;
    while log.len() < target {
        let room = target - log.len() - line("stderr", "").len();
        log += &line("stderr", &"x".repeat(if room > 128 << 10 { 64 << 10 } else { room }));
    }
    let mut starts = Vec::new();
    let mut stream = analyzer.stream();
    stream.push((log + &last + &stack).as_bytes(), &mut |event| starts.push(event.span.start));
    stream.finish(&mut |event| starts.push(event.span.start));
    let all = starts.len();
    starts.dedup();
    assert!(all >= 3 && starts.len() == all, "{starts:?}");
}
