//! What a change leaves behind: calls that do not come back any more.

use std::path::Path;
use std::time::{Duration, Instant};

use hephaestus::domain::{Class, Fault, FaultFacts, Location, RepoPath};
use hephaestus::generator::reproduce::{Aftermath, Effort, Reproduction, Request, reproduce};
use hephaestus::repository::{Repository, Workspace};
use hephaestus::sandbox::GoToolchain;
use tempfile::TempDir;

use super::sandbox;
use crate::harness::go_cache;

/// A package of one file that crashes, and its scratch copy.
struct Trial {
    folder: TempDir,
    workspace: Workspace,
    source: &'static str,
    function: &'static str,
}

impl Trial {
    fn new(source: &'static str, function: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module example.com/m\n\ngo 1.21\n").unwrap();
        std::fs::write(folder.path().join("m.go"), source).unwrap();
        let workspace =
            Workspace::copy_of(&Repository::open(folder.path()).unwrap(), Path::new("/nowhere")).unwrap();
        Self { folder, workspace, source, function }
    }

    /// The search, with the source as given: the failing line is the one that is marked.
    async fn search(&self, source: &str, aftermath: Option<&Aftermath>) -> Reproduction {
        let line = source.lines().position(|line| line.ends_with("// fails")).unwrap() + 1;
        let file = RepoPath::new("m.go").unwrap();
        let function = self.function.to_owned();
        let fault = Fault {
            class: Class::NilMapWrite,
            message: "assignment to entry in nil map".to_owned(),
            facts: FaultFacts::default(),
            stack: vec![Location { file, line: u32::try_from(line).unwrap(), function }],
            others: Vec::new(),
        };
        std::fs::write(self.workspace.tree().join("m.go"), source).unwrap();
        let repository = Repository::open(&self.workspace.tree()).unwrap();
        let request = Request {
            fault: &fault,
            repository: &repository,
            workspace: &self.workspace,
            log_context: &[],
            time_limit: Duration::from_secs(60),
            search_limit: Duration::from_secs(2),
            fuzz_limit: Duration::ZERO,
            by_force: false,
            seed: 1,
            aftermath,
        };
        let go = GoToolchain::detect(None, &go_cache()).unwrap();
        reproduce(request, &go, &sandbox(), &|_| ()).await.unwrap()
    }

    /// What the search before any change shows.
    async fn before(&self) -> (Effort, Option<Box<Aftermath>>) {
        let begun = Instant::now();
        let found = self.search(self.source, None).await;
        println!("{:.1} s: {found:?}", begun.elapsed().as_secs_f64());
        let Reproduction::Reproduced { effort, aftermath, .. } = found else { panic!("{found:?}") };
        (effort, aftermath)
    }

    /// How the search ends when a line is another.
    async fn after(&self, aftermath: Option<&Aftermath>, line: &str, becomes: &str) -> Reproduction {
        assert!(self.source.contains(line), "{line}");
        let begun = Instant::now();
        let found = self.search(&self.source.replace(line, becomes), aftermath).await;
        println!("{:.1} s: {found:?} in {}", begun.elapsed().as_secs_f64(), self.folder.path().display());
        found
    }
}

const STORE: &str = r#"package m

import "sync"

// Store holds values by kind and name.
type Store struct {
	mu   sync.RWMutex
	kind map[string]map[string]int
}

// New makes a store of one kind.
func New(kind string) *Store {
	return &Store{kind: map[string]map[string]int{kind: {}, "plain": {}}}
}

// Put stores a value.
func (s *Store) Put(kind, name string, value int) {
	s.mu.Lock()
	values := s.kind[kind]
	values[name] = value // fails
	s.mu.Unlock()
}

// Get gives a value.
func (s *Store) Get(kind, name string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.kind[kind][name]
}
"#;

#[tokio::test]
async fn a_lock_that_is_left_held_refutes() {
    let trial = Trial::new(STORE, "(*Store).Put");
    let (effort, aftermath) = trial.before().await;
    let fails = "\tvalues[name] = value // fails\n";
    let wrong = "\tif values == nil {\n\t\treturn\n\t}\n\tvalues[name] = value // fails\n";
    let found = trial.after(aftermath.as_deref(), fails, wrong).await;
    let Reproduction::Hangs { how, surely } = found else { panic!("{found:?}") };
    assert!(surely && how.starts_with("after one call of (*Store).Put the next does not come back"), "{how}");
    assert!(
        how.contains("in line 18 of m.go (sync.RWMutex.Lock)") || how.contains("(sync.Mutex.Lock)"),
        "{how}"
    );
    // The search alone would have made few calls, and seen no crash.
    let found = trial.after(None, fails, wrong).await;
    let Reproduction::NotReproduced { effort: after, .. } = found else { panic!("{found:?}") };
    assert!(after.is_too_little_beside(&effort).is_some(), "{after:?} {effort:?}");
    // A right change makes all calls come back.
    let right = "\tif values == nil {\n\t\tvalues = map[string]int{}\n\t\ts.kind[kind] = values\n\t}\n\tvalues[name] = value // fails\n";
    let found = trial.after(aftermath.as_deref(), fails, right).await;
    let Reproduction::NotReproduced { effort: after, .. } = found else { panic!("{found:?}") };
    assert_eq!(after.is_too_little_beside(&effort), None, "{after:?} {effort:?}");
}

/// Another defect ends the process whenever it is met: it is left out, so that the calls have their turn.
#[tokio::test]
async fn another_defect_that_ends_the_process_hides_no_lock() {
    let source = STORE.to_owned()
        + r#"
// Sizes counts each kind by itself.
func (s *Store) Sizes(kinds []string) (sum int) {
	sizes := make(chan int)
	for _, kind := range kinds {
		go func(kind string) { sizes <- len(*(*string)(nil)) }(kind)
	}
	for range kinds {
		sum += <-sizes
	}
	return sum
}
"#;
    let trial = Trial::new(source.leak(), "(*Store).Put");
    let (_, aftermath) = trial.before().await;
    let fails = "\tvalues[name] = value // fails\n";
    let wrong = "\tif values == nil {\n\t\treturn\n\t}\n\tvalues[name] = value // fails\n";
    let found = trial.after(aftermath.as_deref(), fails, wrong).await;
    let Reproduction::Hangs { how, surely } = found else { panic!("{found:?}") };
    assert!(surely && how.starts_with("after one call of (*Store).Put the next does not come back"), "{how}");
    // With what the first search learnt, and where the second has to learn it.
    let right = "\tif values == nil {\n\t\ts.mu.Unlock()\n\t\treturn\n\t}\n\tvalues[name] = value // fails\n";
    for (aftermath, ended) in [(aftermath.as_deref(), 0..=1), (None, 1..=3)] {
        let found = trial.after(aftermath, fails, right).await;
        let Reproduction::NotReproduced { effort, .. } = found else { panic!("{found:?}") };
        assert!(ended.contains(&effort.ended) && effort.was_broken_off().is_none(), "{effort:?}");
    }
}

/// It is the function itself that ends the process: that cannot be left out, so nobody knows.
#[tokio::test]
async fn a_process_that_ends_all_the_time_tells_nothing() {
    let source = STORE.replace(
        "int) {\n\ts.mu.Lock()\n",
        "int) {\n\tif value%2 != 0 {\n\t\tdone := make(chan bool)\n\t\tgo func() { panic(\"odd\") }()\n\t\t<-done\n\t}\n\ts.mu.Lock()\n",
    );
    assert!(source.contains("odd"));
    let trial = Trial::new(source.leak(), "(*Store).Put");
    let (effort, aftermath) = trial.before().await;
    let fails = "\tvalues[name] = value // fails\n";
    let right = "\tif values == nil {\n\t\ts.mu.Unlock()\n\t\treturn\n\t}\n\tvalues[name] = value // fails\n";
    let found = trial.after(None, fails, right).await;
    let Reproduction::NotReproduced { effort: after, reason, .. } = found else { panic!("{found:?}") };
    let why = after.is_too_little_beside(&effort).unwrap();
    let told = format!("since the process ended {} times", after.ended);
    assert!(after.ended >= 4 && why.contains(&told) && reason.contains("the process ended"), "{why}");
    let found = trial.after(aftermath.as_deref(), fails, right).await;
    let Reproduction::Hangs { how, surely } = found else { panic!("{found:?}") };
    assert!(!surely && how.contains("the process ended in a call of example.com/m.(*Store).Put"), "{how}");
}

/// The lock is shared among those who read, so the call itself comes back each time: it is others who wait.
#[tokio::test]
async fn a_lock_that_others_wait_for_refutes() {
    let source = r#"package m

import "sync"

// Book counts what is read.
type Book struct {
	mu    sync.RWMutex
	pages map[string]map[string]int
}

// Open makes a book.
func Open(chapter string) *Book {
	return &Book{pages: map[string]map[string]int{chapter: {}, "intro": {}}}
}

// Read counts a reader of a page.
func (b *Book) Read(chapter, page string) {
	b.mu.RLock()
	read := b.pages[chapter]
	read[page] = 1 // fails
	b.mu.RUnlock()
}

// Add adds a chapter.
func (b *Book) Add(chapter string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pages[chapter] = map[string]int{}
}
"#;
    let trial = Trial::new(source, "(*Book).Read");
    let (_, aftermath) = trial.before().await;
    let fails = "\tread[page] = 1 // fails\n";
    let wrong = "\tif read == nil {\n\t\treturn\n\t}\n\tread[page] = 1 // fails\n";
    let found = trial.after(aftermath.as_deref(), fails, wrong).await;
    let Reproduction::Hangs { how, surely } = found else { panic!("{found:?}") };
    assert!(surely && how.contains("of (*Book).Read a call of (*Book).Add does not come back"), "{how}");
    let right = "\tif read == nil {\n\t\tb.mu.RUnlock()\n\t\treturn\n\t}\n\tread[page] = 1 // fails\n";
    let found = trial.after(aftermath.as_deref(), fails, right).await;
    assert!(matches!(found, Reproduction::NotReproduced { .. }), "{found:?}");
}

/// A place among few is not given back: that is not sure, since a queue may well be full, but not well either.
#[tokio::test]
async fn a_place_that_is_never_given_back_is_told() {
    let source = r#"package m

// Pool runs a few at a time.
type Pool struct {
	slots chan string
	ran   map[string]map[string]int
}

// New makes a pool.
func New(kind string) *Pool {
	return &Pool{slots: make(chan string, 4), ran: map[string]map[string]int{kind: {}, "small": {}}}
}

// Run runs one.
func (p *Pool) Do(kind, name string) {
	p.slots <- name
	ran := p.ran[kind]
	ran[name]++ // fails
	<-p.slots
}
"#;
    let trial = Trial::new(source, "(*Pool).Do");
    let (_, aftermath) = trial.before().await;
    let fails = "\tran[name]++ // fails\n";
    let wrong = "\tif ran == nil {\n\t\treturn\n\t}\n\tran[name]++ // fails\n";
    let found = trial.after(aftermath.as_deref(), fails, wrong).await;
    let Reproduction::Hangs { how, surely } = found else { panic!("{found:?}") };
    assert!(!surely && how.starts_with("after 4 calls of (*Pool).Do the next does not come back"), "{how}");
    assert!(how.contains("(chan send)"), "{how}");
    let right = "\tif ran == nil {\n\t\t<-p.slots\n\t\treturn\n\t}\n\tran[name]++ // fails\n";
    let found = trial.after(aftermath.as_deref(), fails, right).await;
    assert!(matches!(found, Reproduction::NotReproduced { .. }), "{found:?}");
}

/// Methods that are there to hold a lock, and queues that fill up, hang with a right change as well.
#[tokio::test]
async fn what_hangs_by_intent_refutes_nothing() {
    let holds = r#"package m

import "sync"

// Desk is for one at a time.
type Desk struct {
	mu   sync.Mutex
	held map[string]map[string]int
}

// New makes a desk.
func New(kind string) *Desk {
	return &Desk{held: map[string]map[string]int{kind: {}, "plain": {}}}
}

// Take takes the desk, until Leave.
func (d *Desk) Take(kind, name string) {
	d.mu.Lock()
	held := d.held[kind]
	held[name]++ // fails
}

// Leave gives it back.
func (d *Desk) Leave() {
	d.mu.Unlock()
}
"#;
    let queue = r#"package m

// Queue keeps a few jobs.
type Queue struct {
	jobs chan string
	kept map[string]map[string]int
}

// New makes a queue.
func New(kind string) *Queue {
	return &Queue{jobs: make(chan string, 8), kept: map[string]map[string]int{kind: {}, "plain": {}}}
}

// Keep keeps a job until it is taken.
func (q *Queue) Keep(kind, name string) {
	q.jobs <- name
	held := q.kept[kind]
	held[name]++ // fails
}
"#;
    // A call that is refused comes back each time, and never came to the lock.
    let refuses: &'static str = Box::leak(
        holds
            .replace("\td.mu.Lock()\n\theld", "\tif kind == \"\" {\n\t\treturn\n\t}\n\td.mu.Lock()\n\theld")
            .into_boxed_str(),
    );
    for (source, function) in [(refuses, "(*Desk).Take"), (holds, "(*Desk).Take"), (queue, "(*Queue).Keep")] {
        let trial = Trial::new(source, function);
        let (_, aftermath) = trial.before().await;
        let right = "\tif held == nil {\n\t\treturn\n\t}\n\theld[name]++ // fails\n";
        let found = trial.after(aftermath.as_deref(), "\theld[name]++ // fails\n", right).await;
        assert!(!matches!(found, Reproduction::Hangs { surely: true, .. }), "{found:?}");
        assert!(source == refuses || !matches!(found, Reproduction::Hangs { .. }), "{found:?}");
    }
}
