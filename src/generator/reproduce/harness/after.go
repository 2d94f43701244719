//go:build go1.21

package harness

// What comes after the crash. Before the change nothing does; with it the call comes back, and may have left
// something behind: a lock that is held, a place that is taken. Then it is the next call that hangs.

import (
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// So often a call is made again on the same objects: more than the places that most programs count.
	times = 70
	// What does not come on for so long hangs, where nothing depends on it.
	standstill = 150 * time.Millisecond
	// And so long, where a fix is refuted by it.
	certain = 2 * time.Second
	// So many calls that do not crash are compared with, of so many that are looked at.
	maxControls, maxLooked = 3, 64
	// So many that hang, and enough time was lost.
	maxStuck = 4
	// So many methods of the objects are called afterwards.
	maxFurther = 24
	// The time for all calls on the code as it stands.
	beforehand = 400 * time.Millisecond
)

// Aftermath is what calls on the code as it stands tell about the time after a call of the target.
type Aftermath struct {
	Looked   int      // other calls of the target that were made
	Stuck    int      // those of them that did not come back
	Consumes bool     // they came back at first, and later did not: they use something up
	Controls []uint64 // those that came back each time they were made, by their index
	Times    int      // how often they were made, on the same objects
	Without  []string // what was left out of them, beside what the search left out
	Further  []int    // methods of the objects that came back after them
}

// Hang is a call that does not come back although it did before, or another one did in its place.
type Hang struct {
	First   string // the call that was made before; empty where the one that hangs was the first
	Times   int    // how often
	Call    string // what does not come back
	State   string // what it waits for, as the runtime tells it
	At      Place  // where, in the sources
	Control bool   // whether these very calls came back before the change
}

// course makes a call again and again on the same objects, and then one other method of them.
type course struct {
	s       *search
	term    *Term
	times   int
	further int // the number of the method; -1 for none
	made    atomic.Int64
	second  atomic.Pointer[string] // the name of the method, once it is its turn
	done    chan struct{}
	ended   bool // it came to its end without a panic
}

func (s *search) start(term *Term, times, further int) *course {
	c := &course{s: s, term: term, times: times, further: further, done: make(chan struct{})}
	go c.run()
	return c
}

// run is what stands on the stack of a course that hangs.
func (c *course) run() {
	defer close(c.done)
	defer func() {
		if recover() == nil {
			c.ended = true
		}
	}()
	begun := time.Now()
	values := &evaluator{watch: c.s.watch}
	in := values.arguments(c.term, reflect.Value{})
	for i := 0; i < c.times; i++ {
		for at, arg := range c.term.args {
			// Readers, requests and contexts are used up: those are no objects that live on.
			if want := paramType(c.term.fn.typ, at); i > 0 && len(c.s.reg.std[want]) > 0 {
				in[at] = convert(values.eval(arg, reflect.Value{}), want)
			}
		}
		c.s.watch.call(c.term.fn, in)
		c.made.Add(1)
		if time.Since(begun) > standstill/2 {
			break // A slow call is made less often.
		}
	}
	if c.further < 0 {
		return
	}
	methods := c.s.methods(c.term, in)
	if c.further >= len(methods) {
		panic(invalid{"no such method"})
	}
	method := methods[c.further]
	c.second.Store(&method.fn.name)
	g := &generator{reg: c.s.reg, config: c.s.config, without: c.s.without, rng: newRng(c.s.config.Seed, 1<<32, uint64(c.further)), timed: true}
	call := g.callTerm(method.fn, 1, g.node(Term{op: opSelf, typ: method.self.Type()}))
	(&evaluator{watch: c.s.watch}).eval(call, method.self)
	c.made.Add(1)
}

// method is one that can be called on an object.
type method struct {
	fn   *Func
	self reflect.Value
}

// methods lists what others can call on the objects of a call, in an order that is always the same.
func (s *search) methods(term *Term, in []reflect.Value) []method {
	var out []method
	for at, self := range in {
		if len(s.reg.std[paramType(term.fn.typ, at)]) > 0 {
			continue
		}
		if !self.CanAddr() && self.Kind() != reflect.Interface {
			variable := reflect.New(self.Type()).Elem()
			variable.Set(self)
			self = variable
		}
		for _, fn := range s.reg.methodsOf(self.Type()) {
			if fn != term.fn && fn.exported && !s.without[fn.key(s.reg.self)] && !blocks(fn.call) && len(out) < maxFurther {
				out = append(out, method{fn, self})
			}
		}
	}
	return out
}

// wait waits for the end of a course; false where it has come no further for so long.
func (c *course) wait(patience time.Duration) bool {
	tick := time.NewTicker(patience / 20)
	defer tick.Stop()
	made, since := c.made.Load(), time.Now()
	for {
		select {
		case <-c.done:
			return true
		case <-tick.C:
		}
		if now := c.made.Load(); now != made {
			made, since = now, time.Now()
		} else if time.Since(since) > patience {
			return false
		}
	}
}

// before finds calls of the target that come back each time, and methods that do so after them.
func (s *search) before(at Position, term *Term) {
	s.leaveOut(s.config.Aftermath.Without)
	found := &Aftermath{Without: s.config.Aftermath.Without}
	end := time.Now().Add(beforehand)
	var controls []*Term
	for i := at.Index + 1; i <= at.Index+maxLooked && len(controls) < maxControls && found.Stuck < maxStuck; i++ {
		if time.Now().After(end) {
			break
		}
		control := s.generate(Position{Phase: at.Phase, Index: i})
		if control.fn != term.fn || control.isForced() {
			continue
		}
		found.Looked++
		c := s.start(control, times, -1)
		if !c.wait(standstill) {
			found.Stuck++
			if c.made.Load() > 0 {
				// Calls use something up: that one of them hangs in the end says nothing.
				s.result.Aftermath = &Aftermath{Looked: found.Looked, Stuck: found.Stuck, Consumes: true}
				return
			}
			continue
		}
		if made := int(c.made.Load()); c.ended && made > 1 {
			controls, found.Controls = append(controls, control), append(found.Controls, i)
			if found.Times == 0 || made < found.Times {
				found.Times = made
			}
		}
	}
	s.result.Aftermath = found
	for further := 0; further < maxFurther && len(controls) > 0; further++ {
		holds := true
		for _, control := range controls {
			if time.Now().After(end) {
				return
			}
			c := s.start(control, found.Times, further)
			if !c.wait(standstill) {
				return // It may go on beside whatever came next.
			}
			if holds = c.ended; !holds {
				break
			}
		}
		if holds {
			found.Further = append(found.Further, further)
		}
	}
}

// after makes the call that crashed, with the change in place, as often as others were made without it, and
// those others too: what does not come back now is told. Where there are no others it is made twice.
func (s *search) after(at Position, term *Term) {
	given := s.config.Aftermath
	s.leaveOut(given.Without)
	// The others first: what the call that crashed leaves behind in the package is no matter of theirs.
	var tried []*Term
	for _, i := range given.Controls {
		tried = append(tried, s.generate(Position{Phase: at.Phase, Index: i}))
	}
	tried = append(tried, term)
	for number, term := range tried {
		for _, further := range append([]int{-1}, given.Further...) {
			if time.Now().After(s.end) {
				return
			}
			c := s.start(term, max(given.Times, 2), further)
			if c.wait(certain) {
				continue
			}
			hang := s.hang(c)
			hang.Control = number < len(given.Controls)
			s.result.Hang = hang
			return
		}
	}
}

// hang describes where a course stands.
func (s *search) hang(c *course) *Hang {
	name := func(fn *Func) string {
		if s.config.Phases[s.config.Start.Phase].Target == "http" {
			return "a request"
		}
		return fn.name
	}
	hang := &Hang{Call: name(c.term.fn), Times: int(c.made.Load())}
	if hang.Times > 0 {
		hang.First = hang.Call
	}
	if second := c.second.Load(); second != nil {
		hang.Call = *second
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if !strings.Contains(stack, ".(*course).run(") {
			continue
		}
		hang.State, hang.At = stateOf(stack), Place{}
		if all := places(stack, s.config.Tree); len(all) > 0 {
			hang.At = all[0]
		}
	}
	return hang
}
