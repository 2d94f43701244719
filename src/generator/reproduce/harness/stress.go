//go:build go1.21

package harness

// What a stress test does: it makes an object once, and then calls that came back when they were made one after
// the other. Whether they meet when they are made at once, only the written test tells, under the race detector.

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"
)

const (
	// So many drills are kept of each pair of functions, of so many that are tried.
	drillsEach, maxRehearsed = 3, 200
	// So many in a row that do not come back, and the pair is given up.
	maxStuckInARow = 3
	// So many other methods are tried beside the one of the log.
	maxBeside = 10
)

// The names of the test around the calls.
const drillNames = "sync end round calls call worker times wg"

// Drill is a written stress test without what stands around it.
type Drill struct {
	Entry   bool
	Call    string // the function of the log
	With    string // what the others call meanwhile; the same where nobody else is known
	Told    bool   // whether that is what the log tells
	Imports []Import
	Setup   string   // makes the object
	Calls   []string // statements of one call each
}

// pair are two functions that are called at once.
type pair struct {
	first, second *Func
	told          bool
}

// drill is one before it is written.
type drill struct {
	object *Term // what all calls share; nil where that is the package itself
	calls  []*Term
	score  int
}

// stress finds drills for each target, and writes them down.
func (s *search) stress() {
	for p, phase := range s.config.Phases {
		targets := s.targets(phase)
		if len(targets) == 0 {
			s.result.Missing = append(s.result.Missing, phase.Target)
			continue
		}
		var pairs []pair
		for _, f := range targets {
			pairs = append(pairs, s.pairs(f)...)
		}
		end := s.begun.Add(time.Duration(phase.Millis) * time.Millisecond)
		for number, pair := range pairs {
			left := time.Until(end) / time.Duration(len(pairs)-number)
			s.at(uint64(p), uint64(number))
			s.rehearsePair(phase, [2]uint64{uint64(p), uint64(number)}, pair, time.Now().Add(left))
			if s.hung > maxHung {
				return
			}
		}
	}
	s.result.Done = true
}

// pairs lists what is called beside a function: what the log says that other goroutines were in; itself; then
// what others may have called.
func (s *search) pairs(f *Func) []pair {
	var out []pair
	for _, name := range s.config.Others {
		for _, g := range s.reg.find(name) {
			if g != f && owner(g) == owner(f) {
				out = append(out, pair{f, g, true})
			}
		}
	}
	out = append(out, pair{f, f, len(out) == 0 && !s.config.Elsewhere})
	if !f.method {
		return out
	}
	beside := 0
	for _, g := range s.reg.methodsOf(f.typ.In(0)) {
		known := false
		for _, pair := range out {
			known = known || pair.second == g
		}
		if !known && g.exported && !g.expectsLock() && !blocks(g.call) && beside < maxBeside {
			out = append(out, pair{f, g, false})
			beside++
		}
	}
	return out
}

// owner is the type of the object that the goroutines share; nil where there is none.
func owner(f *Func) reflect.Type {
	t := f.shares()
	if t != nil && t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// shares is the type of a function's first parameter, where calls at once are of one such object: the receiver of
// a method, the handler of a request.
func (f *Func) shares() reflect.Type {
	if f.method || f.format != "" && f.typ.NumIn() > 0 && f.typ.In(0).Kind() == reflect.Interface {
		return f.typ.In(0)
	}
	return nil
}

// expectsLock tells by its name that a method is called with a lock held.
func (f *Func) expectsLock() bool {
	name := strings.ToLower(f.call)
	return strings.HasSuffix(name, "locked") || strings.HasSuffix(name, "unsafe")
}

// rehearsePair makes calls of two functions one after the other, and keeps the best of those that come back.
func (s *search) rehearsePair(phase Phase, at [2]uint64, p pair, end time.Time) {
	var kept []*drill
	stuck := 0
	for i := uint64(0); i < maxRehearsed && stuck < maxStuckInARow && s.hung <= maxHung && time.Now().Before(end); i++ {
		d := s.makeDrill(p, newRng(s.config.Seed, at[0], at[1], i))
		if d == nil {
			continue
		}
		s.result.Tried++
		back, ok := s.rehearse(d)
		if !back {
			s.hung, stuck = s.hung+1, stuck+1
			s.result.Stuck++
			continue
		}
		stuck = 0
		if ok {
			kept = append(kept, d)
		}
	}
	if stuck == maxStuckInARow {
		s.result.GivenUp = append(s.result.GivenUp, s.nameOf(phase, p.second))
	}
	// What gives an answer went further than what gives an error. Of those the smallest is easiest to read; it may
	// be so small that hardly anything is done, and so others are kept as they came.
	sort.SliceStable(kept, func(i, j int) bool { return kept[i].score > kept[j].score })
	smallest := 0
	for i, d := range kept {
		if d.score == kept[0].score && d.size() < kept[smallest].size() {
			smallest = i
		}
	}
	if smallest > 0 {
		kept[0], kept[smallest] = kept[smallest], kept[0]
	}
	texts := map[string]bool{}
	for _, d := range kept {
		written, err := d.write(s.reg.self, s.config)
		text := written.Setup + strings.Join(written.Calls, "\n")
		if err != nil || texts[text] {
			continue
		}
		texts[text] = true
		written.Entry, written.Told = phase.Entry, p.told
		written.Call, written.With = s.nameOf(phase, p.first), s.nameOf(phase, p.second)
		s.result.Drills = append(s.result.Drills, written)
		if len(texts) == drillsEach {
			break
		}
	}
	// A later call may end the process.
	if err := s.save(); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
	}
}

func (s *search) nameOf(phase Phase, f *Func) string {
	if phase.Target == "http" {
		return "a request"
	}
	return f.name
}

// makeDrill makes the terms of one drill; nil where a caller would not do it so.
func (s *search) makeDrill(p pair, rng *rng) *drill {
	g := &generator{reg: s.reg, config: s.config, without: s.without, rng: rng}
	g.loyal = g.rng.pct(50)
	d := &drill{}
	var have []*Term
	if t := p.first.shares(); t != nil {
		d.object = g.value(t, 0)
		if d.object.op == opZero || d.object.op == opShared || d.object.isForced() {
			return nil
		}
		self := d.object.typ
		if self == nil {
			self = t
		}
		have = []*Term{g.node(Term{op: opSelf, typ: self})}
	}
	shared := g.shared
	for _, f := range []*Func{p.first, p.second} {
		// A call sees what the object was made with, and nothing of another call.
		g.shared = map[reflect.Type]int{}
		for t, id := range shared {
			g.shared[t] = id
		}
		call := g.callTerm(f, 0, have...)
		if call.isForced() {
			return nil
		}
		d.calls = append(d.calls, call)
	}
	return d
}

func (d *drill) size() int {
	n := 0
	for _, t := range append([]*Term{d.object}, d.calls...) {
		if t != nil {
			n += t.size()
		}
	}
	return n
}

// rehearse makes the calls of a drill, twice: whether they came back, and whether they did so without a panic.
func (s *search) rehearse(d *drill) (back, ok bool) {
	done := make(chan bool, 1)
	go func() {
		came := false
		defer func() {
			if recover() != nil {
				came = false
			}
			done <- came
		}()
		e := &evaluator{}
		var object reflect.Value
		if d.object != nil {
			object = e.eval(d.object, reflect.Value{})
			if object.Kind() != reflect.Interface && !object.CanAddr() {
				variable := reflect.New(object.Type()).Elem()
				variable.Set(object)
				object = variable
			}
		}
		score := 0
		for round := 0; round < 2; round++ {
			for _, call := range d.calls {
				score += worth(call.fn.value.Call(e.arguments(call, object)))
			}
		}
		d.score, came = score, true
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case ok := <-done:
		return true, ok
	case <-timer.C:
		return false, false
	}
}

// worth is more for an answer than for an error, and more for something than for nothing.
func worth(out []reflect.Value) int {
	n := 2
	if last := len(out) - 1; last >= 0 && out[last].Type() == errorType {
		if !out[last].IsNil() {
			return 0
		}
		out = out[:last]
	}
	if len(out) > 0 && !out[0].IsZero() {
		n++
	}
	return n
}

// write writes the object's statements, and those of each call.
func (d *drill) write(self string, config *Config) (out Drill, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	// The first pass only learns which imports there are, so that no variable takes the name of one.
	first := d.writer(self, config)
	d.writeInto(first)
	w := d.writer(self, config)
	for _, name := range first.imports {
		w.taken[name] = true
	}
	out = d.writeInto(w)
	for path, name := range w.imports {
		out.Imports = append(out.Imports, Import{Name: name, Path: path})
	}
	sort.Slice(out.Imports, func(i, j int) bool { return out.Imports[i].Path < out.Imports[j].Path })
	return out, nil
}

func (d *drill) writer(self string, config *Config) *writer {
	all := &Term{op: opSlice, args: d.calls}
	if d.object != nil {
		all.then = []*Term{d.object}
	}
	w := newWriter(all, self, config)
	for _, name := range strings.Fields(drillNames) {
		w.taken[name] = true
	}
	return w
}

func (d *drill) writeInto(w *writer) (out Drill) {
	name := ""
	if d.object != nil {
		name = w.variable(d.object)
	}
	out.Setup = strings.Join(w.lines, "\n")
	// Other goroutines than the test's own do not end it.
	w.giveUp = "t.Error(err)\nreturn"
	outer := w.declared
	for _, call := range d.calls {
		w.lines, w.root, w.declared = nil, call, map[reflect.Type]bool{}
		for t := range outer {
			w.declared[t] = true
		}
		text := w.call(call, name)
		out.Calls = append(out.Calls, strings.Join(append(w.lines, text), "\n"))
	}
	return out
}
