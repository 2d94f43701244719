//! Deadlocks are reproduced by one call that does not come back.

use serde_json::Value;

use super::soundness::{Trial, judged, step};
use crate::harness::{go, run};

/// A ledger, one method of which calls another with the lock held that takes it.
const LEDGER: &str = "// Package split keeps accounts.
package split

import (
\t\"errors\"
\t\"sync\"
)

// ErrFunds is told where an account does not hold enough.
var ErrFunds = errors.New(\"not enough funds\")

// Ledger holds what is on each account.
type Ledger struct {
\tmu       sync.Mutex
\taccounts map[string]int
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
\treturn &Ledger{accounts: map[string]int{}}
}

// Book adds to an account.
func (l *Ledger) Book(account string, amount int) {
\tl.mu.Lock()
\tdefer l.mu.Unlock()
\tl.accounts[account] += amount
}

// Balance is what is on an account.
func (l *Ledger) Balance(account string) int {
\tl.mu.Lock()
\tdefer l.mu.Unlock()
\treturn l.balanceLocked(account)
}

func (l *Ledger) balanceLocked(account string) int {
\treturn l.accounts[account]
}

// Transfer moves an amount from one account to another.
func (l *Ledger) Transfer(from, to string, amount int) error {
\tl.mu.Lock()
\tdefer l.mu.Unlock()
\tif l.Balance(from) < amount {
\t\treturn ErrFunds
\t}
\tl.accounts[from] -= amount
\tl.accounts[to] += amount
\treturn nil
}
";

const TRANSFERS: &str = "package main

import (
\t\"fmt\"

\t\"example.com/split\"
)

func main() {
\tledger := split.NewLedger()
\tledger.Book(\"a\", 3)
\tfmt.Println(ledger.Transfer(\"a\", \"b\", 2))
}
";

/// A ledger, one method of which leaves with the lock held.
const LEAVES: &str = "// Package split keeps accounts.
package split

import (
\t\"errors\"
\t\"sync\"
)

// Ledger holds what is on each account.
type Ledger struct {
\tmu       sync.Mutex
\taccounts map[string]int
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
\treturn &Ledger{accounts: map[string]int{}}
}

// Book adds to an account.
func (l *Ledger) Book(account string, amount int) error {
\tl.mu.Lock()
\tif account == \"\" {
\t\treturn errors.New(\"no account\")
\t}
\tl.accounts[account] += amount
\tl.mu.Unlock()
\treturn nil
}

// Balance is what is on an account.
func (l *Ledger) Balance(account string) int {
\tl.mu.Lock()
\tdefer l.mu.Unlock()
\treturn l.accounts[account]
}
";

const BOOKS: &str = "package main

import (
\t\"fmt\"

\t\"example.com/split\"
)

func main() {
\tledger := split.NewLedger()
\tfmt.Println(ledger.Book(\"\", 3))
\tfmt.Println(ledger.Balance(\"a\"))
}
";

/// Numbers that are read by a goroutine, which closes its channel on one way only.
const SUM: &str = "// Package split adds numbers up.
package split

import \"strconv\"

// numbers reads lines up to the first that is no number.
func numbers(lines []string) <-chan int {
\tout := make(chan int)
\tgo func() {
\t\tfor _, line := range lines {
\t\t\tn, err := strconv.Atoi(line)
\t\t\tif err != nil {
\t\t\t\treturn
\t\t\t}
\t\t\tout <- n
\t\t}
\t\tclose(out)
\t}()
\treturn out
}

// Sum adds up the numbers in lines.
func Sum(lines []string) int {
\ttotal := 0
\tfor n := range numbers(lines) {
\t\ttotal += n
\t}
\treturn total
}
";

const SUMS: &str = "package main

import (
\t\"fmt\"

\t\"example.com/split\"
)

func main() {
\tfmt.Println(split.Sum([]string{\"1\", \"x\"}))
}
";

/// Goroutines, one of which may end without being counted down.
const FETCH: &str = "// Package split measures texts.
package split

import \"sync\"

// Lengths are the lengths of the texts that are not empty, side by side.
func Lengths(texts []string) []int {
\tlengths := make([]int, len(texts))
\tvar wg sync.WaitGroup
\tfor i := range texts {
\t\twg.Add(1)
\t\tgo func(i int) {
\t\t\tif texts[i] == \"\" {
\t\t\t\treturn
\t\t\t}
\t\t\tlengths[i] = len(texts[i])
\t\t\twg.Done()
\t\t}(i)
\t}
\twg.Wait()
\treturn lengths
}
";

/// What is sent to nobody: no rule mends it.
const SPLIT: &str = "// Package split cuts texts.
package split

import \"strings\"

// Fields are the words of a text, the empty ones left out.
func Fields(text string) []string {
\twords := make(chan string)
\tfor _, word := range strings.Split(text, \" \") {
\t\tif word != \"\" {
\t\t\twords <- word
\t\t}
\t}
\tclose(words)
\tvar all []string
\tfor word := range words {
\t\tall = append(all, word)
\t}
\treturn all
}
";

/// Somebody is to put something into the queue.
const QUEUE: &str = "// Package split has a queue.
package split

// Queue hands items from one goroutine to another.
type Queue struct {
\titems chan string
}

// NewQueue returns an empty queue.
func NewQueue() *Queue {
\treturn &Queue{items: make(chan string)}
}

// Put waits until somebody takes the item.
func (q *Queue) Put(item string) {
\tq.items <- item
}

// Next waits for an item.
func (q *Queue) Next() string {
\treturn <-q.items
}
";

/// A program that makes one call.
fn calls(what: &str) -> String {
    format!(
        "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {{\n\tfmt.Println({what})\n}}\n"
    )
}

/// The log of a deadlock in a function.
fn log_of(trial: &Trial, function: &str) -> String {
    let log = trial.crash();
    let is_deadlock = log.contains("fatal error: all goroutines are asleep - deadlock!");
    assert!(is_deadlock && log.contains(&format!("split.{function}")), "{log}");
    log
}

/// Whether a reproducer of the repository as it stands passes; what is printed.
fn passes(trial: &Trial, reproducer: &Value) -> (bool, String) {
    let text = |key: &str| reproducer[key].as_str().unwrap();
    std::fs::write(trial.repository().join(text("file")), text("source")).unwrap();
    let pattern = format!("^{}$", text("test"));
    let output = run(go().args(["test", "-count=1", "-run", &pattern, "."]).current_dir(trial.repository()));
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), printed)
}

/// A deadlock in a function whose fix is proven by a call of it, by a rule.
fn is_proven(trial: &Trial, function: &str, rule: &str) -> Value {
    let suggestion = trial.fix_log(&log_of(trial, function))[0].clone();
    assert_eq!(
        (judged(&suggestion), &suggestion["rule"]),
        (("proven", None), &rule.into()),
        "{suggestion:#}"
    );
    let reproducer = &suggestion["reproducer"];
    assert_eq!(reproducer["reach"], "entry_point", "{suggestion:#}");
    assert!(reproducer["test"].as_str().unwrap().ends_with("DoesNotHang"), "{suggestion:#}");
    let before = step(&suggestion, "reproducer_before").unwrap()["detail"].as_str().unwrap();
    assert!(before.contains("a call does not come back"), "{suggestion:#}");
    // What people are given does what it says.
    let (passed, printed) = passes(trial, reproducer);
    assert!(!passed && printed.contains("the call does not come back:"), "{printed}");
    assert!(printed.contains(&format!("split.{function}")), "{printed}");
    trial.take(&suggestion["patch"]);
    let (passed, printed) = passes(trial, reproducer);
    assert!(passed, "{printed}");
    suggestion
}

/// A deadlock that no call shows; why.
fn is_not_reproduced(suggestion: &Value) -> &str {
    assert_eq!(suggestion["reproduced"], false, "{suggestion:#}");
    assert_ne!(suggestion["verdict"], "proven", "{suggestion:#}");
    suggestion["search"].as_str().unwrap()
}

#[test]
fn a_lock_that_is_taken_twice_is_reproduced_and_the_fix_proven() {
    let trial = Trial::new(&[("ledger.go", LEDGER), ("cmd/run/main.go", TRANSFERS)]);
    let log = log_of(&trial, "(*Ledger).Balance");
    is_proven(&trial, "(*Ledger).Balance", "release_lock");
    // With the mended code the same log shows nothing any more.
    let suggestion = trial.fix_log(&log)[0].clone();
    let search = is_not_reproduced(&suggestion);
    assert!(search.starts_with("no call of ") && search.ends_with("ended in the crash"), "{search}");
}

/// `main` waits for its goroutines; one of them waits for a lock, and it is that one which is told.
#[test]
fn who_waits_for_a_lock_keeps_the_others_waiting() {
    let main = "package main\n\nimport (\n\t\"sync\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tledger := split.NewLedger()\n\tvar wg sync.WaitGroup\n\twg.Add(1)\n\tgo func() {\n\t\tdefer wg.Done()\n\t\tledger.Transfer(\"a\", \"b\", 2)\n\t}()\n\twg.Wait()\n}\n";
    let trial = Trial::new(&[("ledger.go", LEDGER), ("cmd/run/main.go", main)]);
    let suggestion = is_proven(&trial, "(*Ledger).Balance", "release_lock");
    assert_eq!(suggestion["locations"][0]["function"], "(*Ledger).Transfer", "{suggestion:#}");
}

#[test]
fn a_lock_that_the_call_before_kept_is_reproduced_by_both() {
    let trial = Trial::new(&[("ledger.go", LEAVES), ("cmd/run/main.go", BOOKS)]);
    let suggestion = is_proven(&trial, "(*Ledger).Balance", "release_lock");
    let source = suggestion["reproducer"]["source"].as_str().unwrap();
    assert!(source.contains(".Book(\"\", ") && source.contains(".Balance("), "{source}");
}

#[test]
fn a_channel_that_is_not_closed_is_reproduced_and_the_fix_proven() {
    let trial = Trial::new(&[("sum.go", SUM), ("cmd/run/main.go", SUMS)]);
    is_proven(&trial, "Sum", "close_for_receivers");
}

#[test]
fn a_goroutine_that_is_not_counted_down_is_reproduced_and_the_fix_proven() {
    let main = calls("split.Lengths([]string{\"a\", \"\"})");
    is_proven(&Trial::new(&[("lengths.go", FETCH), ("cmd/run/main.go", &main)]), "Lengths", "count_down");
}

#[test]
fn what_no_rule_mends_is_reproduced_all_the_same() {
    let trial = Trial::new(&[("split.go", SPLIT), ("cmd/run/main.go", &calls("split.Fields(\"a b\")"))]);
    let suggestion = trial.fix_log(&log_of(&trial, "Fields"))[0].clone();
    assert_eq!(suggestion["verdict"], "inconclusive", "{suggestion:#}");
    assert_eq!(suggestion["reproducer"]["reach"], "entry_point", "{suggestion:#}");
    let (passed, printed) = passes(&trial, &suggestion["reproducer"]);
    assert!(!passed && printed.contains("[chan send]:"), "{printed}");
}

#[test]
fn what_is_given_twice_is_locked_twice() {
    let code = "// Package split keeps accounts.\npackage split\n\nimport \"sync\"\n\n// Account holds an amount.\ntype Account struct {\n\tmu     sync.Mutex\n\tamount int\n}\n\n\
                // Move moves an amount from one account to another.\nfunc Move(from, to *Account, amount int) int {\n\tfrom.mu.Lock()\n\tdefer from.mu.Unlock()\n\tto.mu.Lock()\n\tdefer to.mu.Unlock()\n\tfrom.amount -= amount\n\tto.amount += amount\n\treturn to.amount\n}\n";
    let main = "package main\n\nimport \"example.com/split\"\n\nfunc main() {\n\taccount := new(split.Account)\n\tsplit.Move(account, account, 3)\n}\n";
    let trial = Trial::new(&[("account.go", code), ("cmd/run/main.go", main)]);
    let suggestion = trial.fix_log(&log_of(&trial, "Move"))[0].clone();
    assert_eq!(suggestion["reproducer"]["reach"], "entry_point", "{suggestion:#}");
    let (passed, printed) = passes(&trial, &suggestion["reproducer"]);
    assert!(!passed && printed.contains("[sync.Mutex.Lock]:"), "{printed}");
}

/// The worker ends with the first call of what ends it: nobody makes a second.
#[test]
fn what_is_used_after_its_end_is_no_reproduction() {
    let code = "// Package split has a worker.\npackage split\n\n// Worker counts jobs.\ntype Worker struct {\n\tjobs chan int\n\tquit chan bool\n\tsum  int\n}\n\n\
                // NewWorker starts a worker.\nfunc NewWorker() *Worker {\n\tw := &Worker{jobs: make(chan int), quit: make(chan bool)}\n\tgo w.work()\n\treturn w\n}\n\n\
                func (w *Worker) work() {\n\tfor {\n\t\tselect {\n\t\tcase job := <-w.jobs:\n\t\t\tw.sum += job\n\t\tcase <-w.quit:\n\t\t\treturn\n\t\t}\n\t}\n}\n\n\
                // Add hands a job to the worker.\nfunc (w *Worker) Add(job int) {\n\tw.jobs <- job\n}\n\n// Stop ends the worker.\nfunc (w *Worker) Stop() int {\n\tw.quit <- true\n\treturn w.sum\n}\n";
    let main = "package main\n\nimport \"example.com/split\"\n\nfunc main() {\n\tworker := split.NewWorker()\n\tworker.Stop()\n\tworker.Stop()\n}\n";
    let trial = Trial::new(&[("worker.go", code), ("cmd/run/main.go", main)]);
    let suggestion = trial.fix_log(&log_of(&trial, "(*Worker).Stop"))[0].clone();
    let search = is_not_reproduced(&suggestion);
    assert!(search.starts_with("no call of ") && search.ends_with("ended in the crash"), "{search}");
}

#[test]
fn what_waits_for_its_callers_is_no_reproduction() {
    let trial = Trial::new(&[("queue.go", QUEUE), ("cmd/run/main.go", &calls("split.NewQueue().Next()"))]);
    let suggestion = trial.fix_log(&log_of(&trial, "(*Queue).Next"))[0].clone();
    let search = is_not_reproduced(&suggestion);
    assert!(search.contains("(*Queue).Next waits, but a call of (*Queue).Put wakes it"), "{search}");
}

/// Somebody else is to do something, and the calls of a test that leave it out show nothing.
#[test]
fn what_the_test_itself_would_leave_out_is_no_reproduction() {
    let locks = "// Package split has locks by name.\npackage split\n\nimport \"sync\"\n\n// Locks are locks by name.\ntype Locks struct {\n\tmu    sync.Mutex\n\tnamed map[string]*sync.Mutex\n}\n\n\
                 // NewLocks returns locks that nobody holds.\nfunc NewLocks() *Locks {\n\treturn &Locks{named: map[string]*sync.Mutex{}}\n}\n\n\
                 // Take takes a lock, and returns what gives it back.\nfunc (l *Locks) Take(name string) (release func()) {\n\tl.mu.Lock()\n\tlock := l.named[name]\n\tif lock == nil {\n\t\tlock = new(sync.Mutex)\n\t\tl.named[name] = lock\n\t}\n\tl.mu.Unlock()\n\tlock.Lock()\n\treturn lock.Unlock\n}\n";
    let takes = "package main\n\nimport \"example.com/split\"\n\nfunc main() {\n\tlocks := split.NewLocks()\n\tlocks.Take(\"a\")\n\tlocks.Take(\"a\")()\n}\n";
    let total = "// Package split adds up.\npackage split\n\n// Total adds up what comes.\nfunc Total(in chan int) (total int) {\n\tfor n := range in {\n\t\ttotal += n\n\t}\n\treturn total\n}\n";
    let job = "// Package split runs jobs.\npackage split\n\n// Run starts a job, and waits until it says that it is done.\nfunc Run(job func(done chan bool)) bool {\n\tdone := make(chan bool, 1)\n\tjob(done)\n\treturn <-done\n}\n";
    for (code, main, function, woken) in [
        (locks, takes.to_owned(), "(*Locks).Take", "but what a call before it returned wakes it"),
        (
            total,
            calls("split.Total(make(chan int))"),
            "Total",
            "but who has the other end of a channel wakes it",
        ),
        (job, calls("split.Run(func(chan bool) {})"), "Run", "but what it calls back wakes it"),
    ] {
        let trial = Trial::new(&[("code.go", code), ("cmd/run/main.go", &main)]);
        let suggestion = trial.fix_log(&log_of(&trial, function))[0].clone();
        let search = is_not_reproduced(&suggestion);
        assert!(search.contains(woken), "{function}: {search}");
    }
}

/// The same statement, where since the log was written somebody tells that the time is over.
#[test]
fn what_waits_for_a_timer_is_no_reproduction() {
    let gate = "// Package split has a gate.\npackage split\n\nimport \"time\"\n\n// Gate opens at some time.\ntype Gate struct {\n\topens <-chan time.Time\n}\n\n\
                // NewGate returns a gate.\nfunc NewGate() *Gate {\n\treturn &Gate{opens: make(chan time.Time)}\n}\n\n// Pass waits until the gate opens.\nfunc (g *Gate) Pass() time.Time {\n\treturn <-g.opens\n}\n";
    let trial = Trial::new(&[("gate.go", gate), ("cmd/run/main.go", &calls("split.NewGate().Pass()"))]);
    let log = log_of(&trial, "(*Gate).Pass");
    let timed = gate.replace("make(chan time.Time)", "time.After(time.Hour)");
    std::fs::write(trial.repository().join("gate.go"), timed).unwrap();
    let suggestion = trial.fix_log(&log)[0].clone();
    let search = is_not_reproduced(&suggestion);
    assert!(search.contains("the runtime takes no call of (*Gate).Pass for a deadlock"), "{search}");
}
