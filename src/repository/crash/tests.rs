use super::*;
use crate::domain::{FaultFacts, TraceKind};

/// A crash at `frames`, each a function and a line of `p.go` in the tree, inside the library.
fn trace(tree: &std::path::Path, frames: &[(&str, u32)]) -> Trace {
    let frame = |(function, line): &(&str, u32)| Frame {
        function: format!("m.{function}"),
        file: tree.join("p.go").to_string_lossy().into_owned(),
        line: *line,
        in_app: true,
    };
    let library = Frame {
        function: "strings.Cut".to_owned(),
        file: "/usr/lib/go/src/strings/strings.go".to_owned(),
        line: 7,
        in_app: false,
    };
    Trace {
        kind: TraceKind::Panic,
        frames: std::iter::once(library).chain(frames.iter().map(frame)).collect(),
        created_by: None,
        fault_address: Some(8),
    }
}

fn fault(class: Class, message: &str, line: u32) -> Fault {
    let place = |function: &str, line| Location {
        file: RepoPath::new("p.go").unwrap(),
        line,
        function: function.to_owned(),
    };
    Fault {
        class,
        message: message.to_owned(),
        facts: FaultFacts::default(),
        stack: vec![place("(*T).At.func1", line), place("Run", 9)],
        others: Vec::new(),
    }
}

#[test]
fn every_function_of_the_way_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().canonicalize().unwrap();
    std::fs::write(tree.join("go.mod"), "module m\n").unwrap();
    std::fs::write(tree.join("p.go"), "package p\n\n\treturn t.list[5]\n").unwrap();
    let repository = Repository::open(&tree).unwrap();
    let mut index = fault(Class::IndexOutOfRange, "", 3);
    let place = |function: &str| Location { function: function.to_owned(), ..index.stack[0].clone() };
    let stack = ["decodeMap", "decode", "decodeSlice.func1", "decode", "Decode", "main"].map(place);
    index.stack = stack.to_vec();
    let known = KnownCrash::new(&index, &repository, tree.clone()).unwrap();
    let missed = |functions: &[&str]| {
        let frames: Vec<_> = functions.iter().map(|function| (*function, 3)).collect();
        known.missed_by(&trace(&tree, &frames)).map(str::to_owned)
    };
    // Who called what was called by the test is no part of the way, nor how often one calls itself.
    assert_eq!(missed(&["decodeMap", "decode", "decodeSlice.func2", "Decode"]), None);
    assert_eq!(missed(&["decodeMap", "decode", "Decode"]).as_deref(), Some("decodeSlice"));
    assert_eq!(missed(&["decodeMap"]), None);
    assert_eq!(missed(&["decodeMap", "Other"]), None, "nobody knows the way from there");
    assert_eq!(missed(&[]), None);
}

#[test]
fn class_function_and_statement_decide() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().canonicalize().unwrap();
    std::fs::write(tree.join("go.mod"), "module m\n").unwrap();
    std::fs::write(tree.join("p.go"), "package p\n\n\treturn t.list[5]\n\treturn nil\n").unwrap();
    let repository = Repository::open(&tree).unwrap();
    let likeness = |fault: &Fault, class, message: &str, frames: &[(&str, u32)]| {
        let known = KnownCrash::new(fault, &repository, tree.clone()).unwrap();
        known.likeness(class, message, &trace(&tree, frames))
    };
    let index = fault(Class::IndexOutOfRange, "", 3);
    let see = |class, frames: &[(&str, u32)]| likeness(&index, class, "", frames);
    // Closures are numbered anew by every compiler.
    assert_eq!(see(Class::IndexOutOfRange, &[("(*T).At.func2", 3)]), Some(Likeness::Same));
    assert_eq!(see(Class::IndexOutOfRange, &[("(*T).At", 3), ("Other", 1)]), Some(Likeness::Same));
    for (class, frames) in [
        (Class::SliceBounds, [("(*T).At", 3)].as_slice()),
        (Class::IndexOutOfRange, &[("(*T).At", 4)]),
        (Class::IndexOutOfRange, &[("(*T).Atlas", 3)]),
        (Class::IndexOutOfRange, &[("Other", 1), ("(*T).At", 3)]),
        (Class::IndexOutOfRange, &[]),
    ] {
        assert_eq!(see(class, frames), None, "{class:?} {frames:?}");
    }
    // A line that holds no index is of another version: the function alone has to do.
    let drifted = fault(Class::IndexOutOfRange, "", 4);
    let seen = likeness(&drifted, Class::IndexOutOfRange, "", &[("(*T).At", 3)]);
    assert_eq!(seen, Some(Likeness::Same));
    // Another field of the nil value: perhaps another nil.
    let mut nil = fault(Class::NilDereference, "", 3);
    nil.facts.nil_offset = Some(16);
    let seen = likeness(&nil, Class::NilDereference, "", &[("(*T).At", 3)]);
    assert_eq!(seen, Some(Likeness::OtherNil));
    // One helper panics for many: the caller tells, then the words.
    let explicit = fault(Class::ExplicitPanic, "can't find 5", 3);
    let seen =
        |message, caller| likeness(&explicit, Class::ExplicitPanic, message, &[("(*T).At", 3), caller]);
    assert_eq!(seen("can't find 7", ("Run", 9)), Some(Likeness::Same));
    assert_eq!(seen("can't parse", ("Run", 9)), Some(Likeness::OtherWords));
    for (message, caller) in
        [("can't find 5", ("Run", 8)), ("can't find 5", ("Other", 9)), ("can't parse", ("Run", 8))]
    {
        assert_eq!(seen(message, caller), None, "{message} {caller:?}");
    }
    // A test that calls the helper itself is no caller of the log's.
    let alone = |message| likeness(&explicit, Class::ExplicitPanic, message, &[("(*T).At", 3)]);
    assert_eq!((alone("can't find 7"), alone("can't parse")), (Some(Likeness::Same), None));
}

#[test]
fn what_the_log_does_not_tell_is_unclear() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().canonicalize().unwrap();
    std::fs::write(tree.join("go.mod"), "module m\n").unwrap();
    let text = "package p\n\nfunc (t *T) At(o *O, i int) {\n\tuse(o.Customer.Name, t.list[i], t.list[5])\n\tuse(t.list[0], t.list[1])\n}\n";
    std::fs::write(tree.join("p.go"), text).unwrap();
    let repository = Repository::open(&tree).unwrap();
    let seen = |fault: &Fault, facts: &FaultFacts| {
        let known = KnownCrash::new(fault, &repository, tree.clone()).unwrap();
        let line = fault.stack[0].line;
        known.likeness_by(fault.class, "", facts, &trace(&tree, &[("(*T).At", line)])).unwrap()
    };
    // Most panics that were recovered tell no address.
    let mut nil = fault(Class::NilDereference, "", 4);
    assert_eq!(seen(&nil, &FaultFacts::default()), Likeness::Unclear);
    nil.facts.nil_offset = Some(8);
    assert_eq!(seen(&nil, &FaultFacts::default()), Likeness::Same);
    let index = |index| FaultFacts { index: Some(index), ..FaultFacts::default() };
    let mut list = fault(Class::IndexOutOfRange, "", 4);
    list.facts = index(7);
    assert_eq!(seen(&list, &index(9)), Likeness::Same);
    assert_eq!(seen(&list, &index(5)), Likeness::Unclear, "it may be the other one");
    list.facts = index(5);
    assert_eq!(seen(&list, &index(5)), Likeness::Unclear);
    let mut pair = fault(Class::IndexOutOfRange, "", 5);
    pair.facts = index(1);
    assert_eq!((seen(&pair, &index(1)), seen(&pair, &index(0))), (Likeness::Same, Likeness::OtherPart));
}

/// The same table is put to the search's own oracle.
#[test]
fn an_endless_recursion_may_end_anywhere_in_its_circle() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
    let code = "package p\n\nfunc A() { B() }\n\nfunc B() { A() }\n\nfunc C() { C() }\n";
    std::fs::write(folder.path().join("p.go"), code).unwrap();
    let repository = Repository::open(folder.path()).unwrap();
    let mut fault = fault(Class::StackOverflow, "stack overflow", 3);
    fault.stack = [(3, "A"), (5, "B")]
        .map(|(line, function)| Location {
            file: RepoPath::new("p.go").unwrap(),
            line,
            function: function.to_owned(),
        })
        .into();
    let crash = KnownCrash::new(&fault, &repository, folder.path().to_owned()).unwrap();
    let likeness = |function: &str, line| {
        let trace = trace(folder.path(), &[(function, line)]);
        crash.likeness(Class::StackOverflow, "stack overflow", &trace)
    };
    assert_eq!(likeness("B", 5), Some(Likeness::Same));
    assert_eq!(likeness("A", 4), Some(Likeness::Same));
    assert_eq!(likeness("C", 7), None);
}

#[test]
fn a_skeleton_holds_no_values() {
    for case in include_str!("../words.txt").lines() {
        let parts: Vec<_> = case.split('\t').collect();
        let [verdict, a, b] = parts[..] else { panic!("{case}") };
        assert_eq!(skeleton(a) == skeleton(b), verdict == "same", "{case}");
    }
    assert_eq!(skeleton("can't find 17"), "can't find ");
}

#[test]
fn a_line_that_cannot_fail_in_this_way_has_drifted() {
    let drifted = |class, body: &str, line| {
        let text = format!("package p\n\nfunc f() {{\n{body}\n}}\n");
        let file = File::parse(RepoPath::new("p.go").unwrap(), text);
        has_drifted(class, &FaultFacts::default(), &file, line + 3)
    };
    for (class, body) in [
        (Class::IndexOutOfRange, "return \"https://\" + strings.Split(u, \"/\")[3]"),
        (Class::IndexOutOfRange, "return handlers[i](x)"),
        (Class::SliceBounds, "return s[1:] // all but one"),
        (Class::DivideByZero, "n /= m"),
        (Class::DivideByZero, "return a % b"),
        (Class::NilMapWrite, "s.m[k] = v"),
        (Class::NilMapWrite, "s.m[k] /= v"),
        (Class::NilMapWrite, "s.m[k] %= v"),
        (Class::NilMapWrite, "s.m[k] ^= v"),
        (Class::NilMapWrite, "s.m[k] &^= v"),
        (Class::NilMapWrite, "ok, (s.m[k]) = true, v"),
        (Class::NilMapWrite, "s.m[k]++"),
        (Class::NilMapWrite, "for s.m[k] = range list {\n}"),
        (Class::NilMapWrite, "maps.Copy(a, b)"),
        (Class::TypeAssertion, "return x.(int)"),
        (Class::NilDereference, "v := *p"),
        (Class::CloseOfChannel, "close(c)"),
        (Class::SendOnClosedChannel, "c <- 1"),
        (Class::MakeLength, "b := make([]byte, n)"),
        (Class::ExplicitPanic, "panic(1)"),
        (Class::Deadlock, "s.mu.Lock()"),
        (Class::Deadlock, "v := <-c"),
        (Class::Deadlock, "c <- 1"),
        (Class::Deadlock, "for range c {\n}"),
        (Class::Deadlock, "select {}"),
        (Class::Deadlock, "return nil"),
    ] {
        assert!(!drifted(class, body, 1), "{class:?} {body}");
    }
    for (class, body) in [
        (Class::IndexOutOfRange, "return nil"),
        (Class::IndexOutOfRange, "return \"a[0]\""),
        (Class::IndexOutOfRange, "// list[0] comes first"),
        (Class::DivideByZero, "return \"a/b\" // Units first."),
        (Class::NilMapWrite, "v := s.m[k]"),
        (Class::NilMapWrite, "v = s.m[k]"),
        (Class::NilDereference, "n := a * b"),
        (Class::CloseOfChannel, "c.close()"),
        (Class::Deadlock, "n := 1"),
    ] {
        assert!(drifted(class, body, 1), "{class:?} {body}");
    }
    // A statement of several lines is named by any of them, a block's lines are its own.
    let literal = "m[k] = T{\n\ta: 1,\n}";
    assert!(!drifted(Class::NilMapWrite, literal, 2) && drifted(Class::NilMapWrite, literal, 9));
    let closure = "run(func() {\n\tn := 1\n\tclose(c)\n})";
    assert!(drifted(Class::NilDereference, closure, 2) && !drifted(Class::CloseOfChannel, closure, 3));
    assert!(drifted(Class::NilDereference, "", u32::MAX - 3));
}

/// By numbers alone code can tell that the message of a log is not about it.
#[test]
fn a_line_that_cannot_fail_with_the_values_of_the_log_has_drifted() {
    let index = |index| FaultFacts { index: Some(index), ..FaultFacts::default() };
    let bounds = |start, end| FaultFacts { bounds: (start, end), ..FaultFacts::default() };
    let elsewhere = FaultFacts { raised_elsewhere: true, ..index(1) };
    for (class, body, facts, expected) in [
        (Class::IndexOutOfRange, "k := trim(parts[0])", index(1), true),
        (Class::IndexOutOfRange, "k := parts[0] + parts[2]", index(1), true),
        (Class::IndexOutOfRange, "k := parts[0] + parts[1]", index(1), false),
        (Class::IndexOutOfRange, "k := parts[0] + parts[n]", index(1), false),
        (Class::IndexOutOfRange, "k := parts[0x1]", index(1), false),
        (Class::IndexOutOfRange, "k := handlers[i](x)", index(1), false),
        (Class::IndexOutOfRange, "k := parts[0]", FaultFacts::default(), false),
        // The callee may have failed.
        (Class::IndexOutOfRange, "k := binary.BigEndian.Uint32(parts[0])", elsewhere, false),
        (Class::SliceBounds, "k := s[1:3]", bounds(None, Some(3)), false),
        (Class::SliceBounds, "k := s[2:]", bounds(Some(2), Some(1)), false),
        (Class::SliceBounds, "k := s[1:]", bounds(Some(2), Some(1)), true),
        (Class::SliceBounds, "k := s[1:3:4]", bounds(None, Some(5)), true),
        (Class::SliceBounds, "k := s[1:n]", bounds(None, Some(5)), false),
        (Class::SliceBounds, "k := s[1:2]", bounds(None, None), false),
    ] {
        let text = format!("package p\n\nfunc f() {{\n\t{body}\n}}\n");
        let file = File::parse(RepoPath::new("p.go").unwrap(), text);
        assert_eq!(has_drifted(class, &facts, &file, 4), expected, "{body} {facts:?}");
    }
}

#[test]
fn a_race_is_known_by_either_access_and_behind_a_change_by_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().canonicalize().unwrap();
    std::fs::write(tree.join("go.mod"), "module m\n").unwrap();
    let source = "package p\n\nfunc (s *S) Put(k string) {\n\ts.m[k] = 1\n}\n\nfunc (s *S) Len() int {\n\treturn len(s.m)\n}\n";
    std::fs::write(tree.join("p.go"), source).unwrap();
    let repository = Repository::open(&tree).unwrap();
    let place = |function: &str, line| Location {
        file: RepoPath::new("p.go").unwrap(),
        line,
        function: function.to_owned(),
    };
    let fault = |class| Fault {
        class,
        message: String::new(),
        facts: FaultFacts::default(),
        stack: vec![place("(*S).Put", 4)],
        others: vec![vec![place("(*S).Len", 8)]],
    };
    let site = |function: &str, line| Frame {
        function: format!("m.{function}"),
        file: tree.join("p.go").to_str().unwrap().to_owned(),
        line,
        in_app: true,
    };
    let race = fault(Class::DataRace);
    let known = KnownCrash::new(&race, &repository, tree.clone()).unwrap();
    assert!(known.is_race_at(&[site("(*S).Len", 8), site("(*S).Other", 20)]));
    assert!(known.is_race_at(&[site("(*S).Other", 20), site("(*S).Put", 4)]));
    assert!(!known.is_race_at(&[site("(*S).Put", 3), site("(*S).Other", 4)]));
    // Who met the goroutine that failed, a list of them does not tell.
    let map = fault(Class::ConcurrentMapAccess);
    let unknown = KnownCrash::new(&map, &repository, tree.clone()).unwrap();
    assert!(!unknown.is_race_at(&[site("(*S).Len", 8)]) && unknown.is_race_at(&[site("(*S).Put", 4)]));
    let single = fault(Class::NilMapWrite);
    assert!(!KnownCrash::new(&single, &repository, tree.clone()).unwrap().is_race_at(&[site("(*S).Put", 4)]));
    // Two lines were added above; the repository as it was is elsewhere.
    let changed = tempfile::tempdir().unwrap();
    let copy = changed.path().canonicalize().unwrap();
    std::fs::write(copy.join("p.go"), source.replace("{\n\ts.m[k]", "{\n\ts.a()\n\ts.b()\n\ts.m[k]"))
        .unwrap();
    let known = KnownCrash::new(&race, &repository, copy.clone()).unwrap();
    let moved =
        |line| Frame { file: copy.join("p.go").to_str().unwrap().to_owned(), ..site("(*S).Put", line) };
    assert!(
        known.is_race_left_at(&repository, &[moved(6)]) && !known.is_race_left_at(&repository, &[moved(4)])
    );
}
