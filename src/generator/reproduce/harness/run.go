//go:build go1.21

package harness

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	// A call that takes longer waits for something that will not come.
	patience = 60 * time.Millisecond
	// What a call has started has so long to end the process, and so long where each call is watched.
	settling = 500 * time.Microsecond
	patient  = 20 * time.Millisecond
	// So many abandoned calls, and a new process is better.
	maxHung = 40
	// After a match, so long for a better one.
	encore = 150 * time.Millisecond
	// And so long where the match has nil where the log has none, or may be meant to wait.
	longEncore = time.Second
	maxShrinks = 4000
	// So many other statements are told of.
	maxElsewhere = 4
	// So many terms of the wrong kind in a row, and there are no others.
	maxSpare   = 20000
	shrinkTime = 1500 * time.Millisecond
)

// special targets are no functions of the package.
var special = map[string][]*Func{}

type search struct {
	reg    *Registry
	config *Config
	mark   *os.File
	result Result
	// What is left out of what the targets are called with, by key.
	without map[string]bool
	worker  *worker
	watch   *watch
	hung    int
	begun   time.Time
	end     time.Time
}

// Main reads the configuration from the file that the environment names, does what it says, and writes the
// result into the temporary folder. It returns the exit code. `tests` is the *testing.M of the binary.
func Main(reg *Registry, tests any) int {
	for _, finish := range reg.finish {
		finish(reg)
	}
	debug.SetMaxStack(64 << 20)
	text, err := os.ReadFile(os.Getenv("HEPHAESTUS_HARNESS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 3
	}
	config := new(Config)
	if err := json.Unmarshal(text, config); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 3
	}
	for _, text := range config.Fuzzed {
		config.Log = append([]string{string(octets(text))}, config.Log...)
	}
	mark, err := os.Create(filepath.Join(os.TempDir(), "hephaestus-mark"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 3
	}
	s := &search{reg: reg, config: config, mark: mark, begun: time.Now(), result: Result{Token: config.Token}}
	s.end = s.begun.Add(time.Duration(config.Millis) * time.Millisecond)
	s.leaveOut(config.Without)
	switch config.Mode {
	case "search":
		s.search()
	case "texts":
		s.result.Texts = s.takingTexts()
	case "fuzz":
		return fuzz(s, tests)
	case "again":
		s.again()
	case "stress":
		s.stress()
	default:
		s.follow()
	}
	s.result.Ended = true
	if err := s.save(); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 3
	}
	return 0
}

// save writes the result as it stands: a later execution may end the process.
func (s *search) save() error {
	out, err := json.Marshal(s.result)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(os.TempDir(), "hephaestus-result.json"), out, 0o600)
}

// at notes where we are, so that a crash which ends the process can be told apart.
func (s *search) at(a, b uint64) {
	var buffer [markSize]byte
	binary.LittleEndian.PutUint64(buffer[:8], s.config.Token)
	binary.LittleEndian.PutUint64(buffer[8:16], a)
	binary.LittleEndian.PutUint64(buffer[16:], b)
	if _, err := s.mark.WriteAt(buffer[:], 0); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
	}
}

// leaveOut names functions that are not called from now on, except as targets and to make what nothing else
// makes. It changes what stands at a position.
func (s *search) leaveOut(keys []string) {
	if s.without == nil {
		s.without = map[string]bool{}
	}
	for _, key := range keys {
		s.without[key] = true
	}
}

// targets are the functions a phase calls.
func (s *search) targets(p Phase) []*Func {
	if out, ok := special[p.Target]; ok {
		return out
	}
	return s.reg.find(p.Target)
}

// generate makes the term of one position; nil when its target, or the place of its text, is not there.
func (s *search) generate(at Position) *Term {
	phase := s.config.Phases[at.Phase]
	targets := s.targets(phase)
	if len(targets) == 0 {
		return nil
	}
	g := &generator{reg: s.reg, config: s.config, without: s.without, forced: phase.Forced, rng: newRng(s.config.Seed, uint64(at.Phase), at.Index)}
	g.loyal = g.rng.pct(50)
	g.faithful = len(s.config.Passed) > 0 && g.rng.pct(60)
	f := targets[g.rng.n(len(targets))]
	// What waits for its context is meant to.
	g.timed = s.config.Class == "deadlock"
	for i := 0; i < f.typ.NumIn(); i++ {
		g.timed = g.timed || f.typ.In(i) == contextType
	}
	return g.callTerm(f, 0).with(at.Splice)
}

func (s *search) search() {
	for p := s.config.Start.Phase; p < len(s.config.Phases); p++ {
		phase := s.config.Phases[p]
		if len(s.targets(phase)) == 0 {
			s.result.Missing = append(s.result.Missing, phase.Target)
			continue
		}
		from := uint64(0)
		if p == s.config.Start.Phase {
			from = s.config.Start.Index
		}
		deadline := s.begun.Add(time.Duration(phase.Millis) * time.Millisecond)
		if deadline.After(s.end) {
			deadline = s.end
		}
		if !s.phase(p, from, deadline) {
			return
		}
		if len(s.result.Found) > 0 {
			break
		}
	}
	s.result.Done = true
}

// phase runs one phase; false when the process has had enough.
func (s *search) phase(p int, from uint64, deadline time.Time) bool {
	best, spare := 0, 0
	for i := from; ; i++ {
		if i%16 == 0 && !time.Now().Before(deadline) {
			return true
		}
		at := Position{Phase: p, Index: i}
		s.at(uint64(p), i)
		term := s.generate(at)
		if s.config.Phases[p].Forced != term.isForced() {
			// The other phase of this target has it.
			if spare++; spare > maxSpare {
				return true
			}
			continue
		}
		spare = 0
		s.result.Tried++
		hung := s.hung
		seen := s.run(term)
		s.result.Stuck += s.hung - hung
		if s.hung > maxHung {
			s.result.Hung, s.result.Next = true, Position{Phase: p, Index: i + 1}
			return false
		}
		if seen == nil {
			continue
		}
		// The process cannot see which nil it was, nor who may wake what hangs: several are kept, and further runs tell.
		score, _ := s.config.match(seen)
		if score == 0 && s.config.Phases[p].Entry && !term.isForced() {
			s.noteElsewhere(seen)
		}
		severalWays := s.config.Class == "nil_dereference" || s.config.Class == "deadlock"
		more := severalWays && score == best && score > 0 && len(s.result.Found) < 4
		if score > best || more {
			if best == 0 {
				wait := encore
				if s.config.unlike(seen) > 0 || s.config.Class == "deadlock" {
					wait = longEncore
				}
				if soon := time.Now().Add(wait); soon.Before(deadline) {
					deadline = soon
				}
			}
			best = score
			s.keep(at, term, seen)
		}
	}
}

// noteElsewhere keeps where else the function, or one beside it, crashes in the same way: a fix is not whole
// while it does.
func (s *search) noteElsewhere(seen *crash) {
	if len(s.result.Elsewhere) >= maxElsewhere || !s.config.beside(seen) {
		return
	}
	top := seen.frames[0]
	for _, known := range s.result.Elsewhere {
		if known.File == top.File && known.Line == top.Line {
			return
		}
	}
	s.result.Elsewhere = append(s.result.Elsewhere, top)
}

// keep shrinks a call that matched and writes it down; the best stands first. To what shrinks, all that may be nil in
// a statement is the same: where it comes to a call that is known, the one it began with is kept, last.
func (s *search) keep(at Position, term *Term, seen *crash) {
	shrunk, path := s.shrink(term, seen)
	if found := s.found(at, shrunk, path, seen); !s.knows(found) {
		s.result.Found = append([]Found{found}, s.result.Found...)
	} else if whole := s.found(at, term, nil, seen); s.config.Class == "nil_dereference" && !s.knows(whole) {
		s.result.Found = append(s.result.Found, whole)
	}
	if len(s.result.Found) > 5 {
		s.result.Found = s.result.Found[:5]
	}
	if err := s.save(); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
	}
}

// found is a call as it is written down; seen is what it ended in, where it does not end in a crash again.
func (s *search) found(at Position, term *Term, path []int, seen *crash) Found {
	if again := s.run(term); again != nil {
		seen = again
	}
	found := s.describe(at, term)
	found.Path = path
	found.Score, found.Exact = s.config.match(seen)
	found.Message = messageOf(seen.value)
	return found
}

func (s *search) knows(found Found) bool {
	for _, known := range s.result.Found {
		if known.Setup == found.Setup && known.Final == found.Final {
			return true
		}
	}
	return false
}

func (s *search) describe(at Position, term *Term) Found {
	phase := s.config.Phases[at.Phase]
	found := Found{At: at, Forced: term.isForced(), Entry: phase.Entry, Call: term.fn.name, Steps: countCalls(term)}
	if phase.Target == "http" {
		found.Call = "a request"
	}
	imports, setup, call, err := write(term, s.reg.self, s.config)
	if err != nil {
		found.Problem = err.Error()
	}
	found.Imports, found.Setup, found.Final = imports, setup, call
	found.Blocks = s.config.Class != "deadlock" && s.hung > 2 && uint64(s.hung)*20 > s.result.Tried
	return found
}

func countCalls(t *Term) int {
	n := len(t.then)
	if t.op == opCall {
		n++
	}
	t.children(func(slot **Term) { n += countCalls(*slot) })
	return n
}

// shrink takes every simpler form that still ends in the crash at least as well; which they were.
func (s *search) shrink(term *Term, seen *crash) (*Term, []int) {
	var path []int
	want, _ := s.config.match(seen)
	message := shape(messageOf(seen.value))
	forced := term.isForced()
	stop := time.Now().Add(shrinkTime)
	runs := 0
	for improved := true; improved; {
		improved = false
		for step, simpler := range shrinks(term) {
			if runs++; runs > maxShrinks || time.Now().After(stop) || s.hung > maxHung {
				return term, path
			}
			if simpler.isForced() && !forced {
				continue
			}
			again := s.run(simpler)
			if again == nil {
				continue
			}
			if score, _ := s.config.match(again); score >= want-10 && shape(messageOf(again.value)) == message {
				term, improved = simpler, true
				path = append(path, step)
				break
			}
		}
	}
	return term, path
}

// follow replays the start position with the shrink steps of the path. In mode "shrink" it then tries
// the next steps, each marked: the one that ends the process is taken by whoever watches.
func (s *search) follow() {
	term := s.generate(s.config.Start)
	if term == nil {
		return
	}
	for _, step := range s.config.Path {
		if options := shrinks(term); step < len(options) {
			term = options[step]
		}
	}
	s.result.Found = []Found{s.describe(s.config.Start, term)}
	forced := term.isForced()
	s.watchCalls()
	switch s.config.Mode {
	case "alone":
		alone(term)
	case "beside":
		s.beside(term)
	case "before":
		s.before(s.config.Start, term)
	case "after":
		s.after(s.config.Start, term)
	case "replay":
		s.run(term)
		time.Sleep(patience)
	case "shrink":
		for i, simpler := range shrinks(term) {
			if i < s.config.From || simpler.isForced() && !forced {
				continue
			}
			if time.Now().After(s.end) {
				break
			}
			s.at(1, uint64(i))
			s.run(simpler)
			time.Sleep(3 * time.Millisecond)
		}
	}
	s.result.Done = true
}

// watchCalls lets it be seen which function ends the process, where calls are not made by the thousand.
func (s *search) watchCalls() {
	patience := settling
	switch s.config.Mode {
	case "replay":
		patience = patient
	case "before", "after":
	default:
		return
	}
	s.at(uint64(s.config.Start.Phase), s.config.Start.Index)
	s.watch = &watch{s.mark, s.reg.self, patience}
}

// worker runs terms on a goroutine of its own, so that one that hangs can be left behind.
type worker struct {
	terms     chan *Term
	seen      chan *crash
	timer     *time.Timer
	goroutine string
	running   atomic.Pointer[evaluator]
}

func (s *search) newWorker() *worker {
	w := &worker{terms: make(chan *Term), seen: make(chan *crash, 1), timer: time.NewTimer(time.Hour)}
	go func() {
		w.goroutine = goroutine()
		for term := range w.terms {
			w.do(term, s.config, s.watch)
		}
	}()
	return w
}

// do runs one term. The panic is looked at while it passes, before the stack is gone. Only one that
// comes out of the function which is the target counts: one that comes out of its preparation would
// show that another function crashes, and say nothing of the way the log tells.
func (w *worker) do(term *Term, config *Config, watch *watch) {
	var seen *crash
	running := &evaluator{watch: watch}
	w.running.Store(running)
	defer func() {
		if value := recover(); value != nil {
			if _, ours := value.(invalid); !ours && running.current.Load() == term.fn {
				seen = observe(value, config.Tree)
				seen.words = config.words(seen)
			}
		}
		w.seen <- seen
	}()
	running.eval(term, reflect.Value{})
}

// run executes a term and returns the panic that ended it, if one did.
func (s *search) run(term *Term) *crash {
	if s.worker == nil {
		s.worker = s.newWorker()
	}
	before := runtime.NumGoroutine()
	w := s.worker
	w.terms <- term
	w.timer.Reset(patience)
	select {
	case seen := <-w.seen:
		w.timer.Stop()
		// What the call has started may panic a moment later.
		settle(before, settling)
		return seen
	case <-w.timer.C:
		s.worker, s.hung = nil, s.hung+1
		return w.asleep(term, s.config)
	}
}
