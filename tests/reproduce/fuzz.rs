//! What only Go's own fuzzer comes upon.

use std::path::Path;
use std::time::{Duration, Instant};

use hephaestus::domain::{Class, Fault, FaultFacts, Location, Reach, RepoPath};
use hephaestus::generator::reproduce::{Aftermath, Reproduction, Request, reproduce};
use hephaestus::repository::{Repository, Workspace};
use hephaestus::sandbox::GoToolchain;

use super::{run, sandbox};
use crate::harness::go_cache;

/// A defect behind two bytes. Nothing in the source tells them, and the code looks at one after the other: who does
/// not see that the first is right must guess both. Another crash lies on the way.
const FRAMES: &str = r#"// Package frames reads messages in frames.
package frames

import (
	"errors"
	"io"
)

// Decoder reads frames.
type Decoder struct {
	strict bool
}

// NewDecoder makes a decoder.
func NewDecoder(strict bool) *Decoder { return &Decoder{strict: strict} }

// Kind tells the kind of a frame.
func (d *Decoder) Kind(r io.Reader) (byte, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	if len(b) == 1 {
		panic("half a frame")
	}
	if len(b) < 2 || b[0] != mark(11) {
		return 0, errors.New("no frame")
	}
	if b[1] != mark(10) {
		return 0, errors.New("another version")
	}
	return b[2], nil // fails
}

// mark mixes a number up.
func mark(n int) byte {
	s := 41
	for i := 0; i < n; i++ {
		s = s*31 + 17
	}
	return byte(s)
}
"#;

/// The search for the crash of the marked line; the steps it told of.
async fn search(
    source: &str,
    function: &str,
    fuzz_limit: Duration,
    aftermath: Option<&Aftermath>,
) -> (Reproduction, Workspace, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("go.mod"), "module example.com/frames\n\ngo 1.21\n").unwrap();
    std::fs::write(folder.path().join("frames.go"), source).unwrap();
    let repository = Repository::open(folder.path()).unwrap();
    let workspace = Workspace::copy_of(&repository, Path::new("/nowhere")).unwrap();
    let line = source.lines().position(|line| line.ends_with("// fails")).unwrap() + 1;
    let fault = Fault {
        class: Class::IndexOutOfRange,
        message: "runtime error: index out of range [2] with length 2".to_owned(),
        facts: FaultFacts::default(),
        stack: vec![Location {
            file: RepoPath::new("frames.go").unwrap(),
            line: u32::try_from(line).unwrap(),
            function: function.to_owned(),
        }],
        others: Vec::new(),
    };
    let request = Request {
        fault: &fault,
        repository: &repository,
        workspace: &workspace,
        log_context: &[],
        time_limit: Duration::from_secs(300),
        search_limit: Duration::from_secs(1),
        fuzz_limit,
        by_force: false,
        seed: 1,
        aftermath,
    };
    let (go, begun) = (GoToolchain::detect(None, &go_cache()).unwrap(), Instant::now());
    let steps = std::sync::Mutex::new(Vec::new());
    let progress = |step: &str| steps.lock().unwrap().push(step.to_owned());
    let result = reproduce(request, &go, &sandbox(), &progress).await.unwrap();
    println!("{:.1} s: {result:?}", begun.elapsed().as_secs_f64());
    (result, workspace, steps.into_inner().unwrap())
}

#[tokio::test]
async fn the_fuzzer_finds_what_the_search_does_not() {
    let (result, workspace, steps) = search(FRAMES, "(*Decoder).Kind", Duration::from_secs(60), None).await;
    let Reproduction::Reproduced { reproducer, how, effort, aftermath, .. } = result else {
        panic!("{result:?}: {steps:?}")
    };
    println!("{}", reproducer.source);
    assert!(steps.contains(&"fuzzing example.com/frames".to_owned()), "{steps:?}");
    assert_eq!(reproducer.reach, Reach::EntryPoint);
    assert!(how.contains("(*Decoder).Kind, found by fuzzing after "), "{how}");
    assert!(effort.tried > 1000, "{effort:?}");
    // The two bytes that lead there, and no more.
    let call = r#".Kind(strings.NewReader("\xa8\x89"))"#;
    assert!(reproducer.source.contains(call), "{}", reproducer.source);
    assert!(!reproducer.source.contains("reflect."), "{}", reproducer.source);
    // Who looks for the crash once more, as after a change, begins with what was found.
    let aftermath = aftermath.expect("calls that follow it were made");
    let (again, ..) = search(FRAMES, "(*Decoder).Kind", Duration::ZERO, Some(&aftermath)).await;
    assert!(
        matches!(&again, Reproduction::Reproduced { reproducer, .. } if reproducer.reach == Reach::EntryPoint),
        "{again:?}"
    );

    let go = GoToolchain::detect(None, &go_cache()).unwrap();
    let (passed, output) = run(&reproducer, &workspace, &go, &sandbox()).await;
    assert!(!passed && output.contains("index out of range [2] with length 2"), "{output}");
    let mended = FRAMES.replace("len(b) < 2", "len(b) < 3");
    std::fs::write(workspace.tree().join("frames.go"), mended).unwrap();
    let (passed, output) = run(&reproducer, &workspace, &go, &sandbox()).await;
    assert!(passed, "{output}");
}

#[tokio::test]
async fn without_the_fuzzer_it_is_not_found() {
    let (result, _, steps) = search(FRAMES, "(*Decoder).Kind", Duration::ZERO, None).await;
    assert!(matches!(result, Reproduction::NotReproduced { .. }), "{result:?}");
    assert!(!steps.iter().any(|step| step.contains("fuzz")), "{steps:?}");
}

/// The crash ends the process of the fuzzer: it comes from a goroutine.
#[tokio::test]
async fn a_crash_that_ends_the_fuzzer_is_found() {
    let source = FRAMES.replace(
        "	return b[2], nil // fails\n",
        "	done := make(chan byte, 1)\n	go func() {\n		done <- b[2] // fails\n	}()\n	return <-done, nil\n",
    );
    let (result, ..) = search(&source, "(*Decoder).Kind.func1", Duration::from_secs(60), None).await;
    let Reproduction::Reproduced { reproducer, how, .. } = result else { panic!("{result:?}") };
    assert!(how.contains("found by fuzzing"), "{how}");
    assert_eq!(reproducer.reach, Reach::EntryPoint);
    assert!(reproducer.source.contains(r#".Kind(strings.NewReader("\xa8\x89"))"#), "{}", reproducer.source);
}
