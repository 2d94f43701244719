//go:build go1.21

package harness

// Calls that never come back, since goroutines wait for each other. While calls are tried, one is known by where it
// stands. Whether nobody can wake it, only the runtime knows: it says so where nothing else goes on in the process, and
// so the call is made alone. Whether somebody is meant to wake it, calls of other functions tell.

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	// What is called beside a call that hangs has so long, and what it wakes so long to come back.
	wakes, awake = 10 * time.Millisecond, 3 * time.Millisecond
	// So many functions are called, each with so many different arguments.
	maxWakers, wakings = 60, 2
)

// asleep stands for the panic where a call does not come back.
type asleep struct{}

func (asleep) Error() string { return "all goroutines are asleep - deadlock!" }

// goroutine is the number of the calling goroutine.
func goroutine() string {
	head := make([]byte, 64)
	fields := strings.Fields(string(head[:runtime.Stack(head, false)]))
	if len(fields) < 2 {
		return ""
	}
	return fields[1]
}

// stackOf is the printed stack of a goroutine; empty where there is none.
func stackOf(number string) string {
	stacks := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.HasPrefix(stack, "goroutine "+number+" ") {
			return stack
		}
	}
	return ""
}

// stateOf is what the runtime says of the goroutine of a printed stack.
func stateOf(stack string) string {
	_, state, _ := strings.Cut(stack, "[")
	state, _, _ = strings.Cut(state, "]")
	state, _, _ = strings.Cut(state, ",")
	return state
}

// waitsAs tells whether a goroutine waits for another one, and as the log's does, where the log tells how. The version of
// the runtime decides which name of a lock is printed, and whether one is.
func waitsAs(log, state string) bool {
	kind := func(state string) string {
		switch {
		case strings.Contains(state, "Mutex"):
			return "lock"
		case strings.HasPrefix(state, "chan "), strings.HasPrefix(state, "select"), strings.HasPrefix(state, "sync."), state == "semacquire":
			return state
		}
		return ""
	}
	log, state = kind(log), kind(state)
	any := log == "semacquire" && !strings.HasPrefix(state, "chan ") && !strings.HasPrefix(state, "select")
	return state != "" && (log == "" || log == state || any)
}

// asleep is a call that does not come back where it waits at the statement of the log; nil otherwise. One that hangs
// in its preparation says nothing, like one that panics there.
func (w *worker) asleep(term *Term, config *Config) *crash {
	running := w.running.Load()
	if config.Class != "deadlock" || running == nil || running.current.Load() != term.fn {
		return nil
	}
	stack := stackOf(w.goroutine)
	if !waitsAs(config.Wait, stateOf(stack)) {
		return nil
	}
	seen := &crash{value: asleep{}, frames: places(stack, config.Tree)}
	if score, _ := config.match(seen); score == 0 {
		return nil
	}
	return seen
}

// alone makes a call where nothing else goes on: where it never comes back, the runtime ends the process.
func alone(term *Term) {
	defer func() {
		_ = recover() // It comes back, in whatever way.
	}()
	new(evaluator).eval(term, reflect.Value{})
}

// keeper keeps what a call is made with, and what the calls before it gave, for others to use it.
type keeper struct {
	mu       sync.Mutex
	objects  []reflect.Value
	channels []reflect.Value
	// What gives back what a call took.
	releases []reflect.Value
	// Whether a function of ours was called that was to do something, and did not.
	idle bool
}

func (k *keeper) keep(v reflect.Value) {
	if k == nil || !v.IsValid() {
		return
	}
	// What stands behind an interface has more methods.
	for v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch v.Kind() {
	case reflect.Chan:
		k.channels = append(k.channels, v)
	case reflect.Func:
		if v.Type().NumIn() == 0 {
			k.releases = append(k.releases, v)
		}
	default:
		k.objects = append(k.objects, v)
	}
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		for i := 0; i < v.Elem().NumField(); i++ {
			if field := v.Elem().Field(i); field.Kind() == reflect.Chan && v.Elem().Type().Field(i).IsExported() {
				k.channels = append(k.channels, field)
			}
		}
	}
}

// calledBack notes that a function of ours was called, which does nothing. With a channel, a function or a count in
// hand it was to tell of its end.
func (k *keeper) calledBack(in []reflect.Value) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, v := range in {
		t := v.Type()
		k.idle = k.idle || t.Kind() == reflect.Chan || t.Kind() == reflect.Func || t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "sync"
	}
}

// beside tells whether a call that hangs is woken by what others do with its objects, its channels and the package:
// then it is meant to wait for them. Each attempt is marked, for it may end the process.
func (s *search) beside(term *Term) {
	kept, done := &keeper{}, make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		(&evaluator{keeper: kept}).eval(term, reflect.Value{})
	}()
	if within(done, patience) {
		return
	}
	wakers, idle, whole := s.wakers(kept)
	if idle {
		s.result.Woken = "what it calls back"
		return
	}
	for i := s.config.From; i < len(wakers); i++ {
		s.at(1, uint64(i))
		for round := uint64(0); round < wakings; round++ {
			back, wake := make(chan struct{}), wakers[i].prepare(newRng(s.config.Seed, 1<<33, uint64(i), round))
			go func() {
				defer close(back)
				defer func() { _ = recover() }()
				wake()
			}()
			within(back, wakes)
			if within(done, awake) {
				s.result.Woken = wakers[i].name
				return
			}
		}
	}
	if within(done, patience) {
		s.result.Woken = "another function"
		return
	}
	// Who was not tried may be who is to wake it.
	s.result.Asleep = whole
}

// waker is what somebody else may do.
type waker struct {
	name    string
	prepare func(*rng) func()
}

// wakers lists who may wake a call, and tells whether it called back in vain, and whether the list is whole.
func (s *search) wakers(kept *keeper) (out []waker, idle, whole bool) {
	whole = true
	kept.mu.Lock()
	defer kept.mu.Unlock()
	for _, c := range kept.channels {
		c := c
		out = append(out, waker{"who has the other end of a channel", func(*rng) func() { return func() { drain(c) } }})
	}
	for _, release := range kept.releases {
		release := release
		out = append(out, waker{"what a call before it returned", func(*rng) func() { return func() { release.Call(nil) } }})
	}
	add := func(fn *Func, self reflect.Value) {
		own := fn.pkg == "" && fn.pkgName == "main"
		// Whoever has an object calls its methods, whether or not its type can be named.
		if !fn.exported && !own && !(fn.method && isExported(fn.call)) || fn.format != "" {
			return
		}
		if len(out) >= maxWakers {
			whole = false
			return
		}
		out = append(out, waker{"a call of " + fn.name, func(rng *rng) func() {
			g := &generator{reg: s.reg, config: s.config, without: s.without, rng: rng, timed: true}
			var have []*Term
			if self.IsValid() {
				have = []*Term{g.node(Term{op: opSelf, typ: self.Type()})}
			}
			call := g.callTerm(fn, 1, have...)
			return func() { new(evaluator).eval(call, self) }
		}})
	}
	for _, self := range kept.objects {
		for _, fn := range s.reg.methodsOf(self.Type()) {
			add(fn, self)
		}
	}
	for _, fn := range s.reg.funcs {
		if !fn.method && fn.pkg == "" {
			add(fn, reflect.Value{})
		}
	}
	return out, kept.idle, whole
}

// drain takes all that is sent on a channel, and tells who receives from it that nothing comes.
func drain(c reflect.Value) {
	for i := 0; i < 1000 && c.Type().ChanDir()&reflect.RecvDir != 0; i++ {
		if _, ok := c.TryRecv(); !ok {
			break
		}
		time.Sleep(10 * time.Microsecond)
	}
	c.Close()
}

// within tells whether something ends in a time.
func within(done <-chan struct{}, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// places are the frames of a printed stack that lie in the sources, the innermost first.
func places(stack, tree string) []Place {
	var out []Place
	lines := strings.Split(stack, "\n")
	for i := 1; i < len(lines); i++ {
		file, ok := strings.CutPrefix(strings.TrimSpace(lines[i]), tree+"/")
		if !ok || strings.Contains(file, "hephaestus_") || strings.HasPrefix(lines[i-1], "created by ") {
			continue
		}
		file, rest, _ := strings.Cut(file, ":")
		place := Place{File: file}
		_, _ = fmt.Sscanf(rest, "%d", &place.Line)
		if arguments := strings.LastIndexByte(lines[i-1], '('); arguments >= 0 {
			place.Function = functionName(lines[i-1][:arguments])
		}
		out = append(out, place)
	}
	return out
}
