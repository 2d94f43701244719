// Depot fails in every way a Go program can: each argument is one way. The logs beside this folder were
// printed by it.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"example.com/depot/pricing"
	"example.com/depot/store"
)

type point struct{ x, y int }

func recurse(n int) int { return recurse(n+1) + 1 }

var t3 = pricing.NewTable(1, 2, 3)

var cases = map[string]func(){
	"index":       func() { t3.Tier(5) },
	"neg":         func() { t3.Tier(-1) },
	"slice":       func() { t3.Window(2, 9) },
	"slice2":      func() { t3.Window(3, 1) },
	"div":         func() { pricing.Split(4, 0) },
	"assert":      func() { pricing.Amount("five") },
	"assertn":     func() { pricing.Amount(nil) },
	"assertm":     func() { _ = any(point{}).(fmt.Stringer) },
	"nilmap":      func() { store.New().Tag("a", "b") },
	"nilptr":      func() { store.New().Price("nope") },
	"nilfunc":     func() { var f func(); f() },
	"niliface":    func() { var e error; _ = e.Error() },
	"closeclosed": func() { c := make(chan int); close(c); close(c) },
	"closenil":    func() { var c chan int; close(c) },
	"sendclosed":  func() { c := make(chan int); close(c); c <- 1 },
	"deadlock":    func() { c := make(chan int); <-c },
	"deadlock2":   func() { var wg sync.WaitGroup; wg.Add(1); go func() { var c chan int; c <- 1 }(); wg.Wait() },
	"overflow":    func() { recurse(0) },
	"makeslice":   func() { n := -1; _ = make([]int, n) },
	"unhash":      func() { m := map[any]int{}; m[[]int{1}] = 2 },
	"uncomp":      func() { var a, b any = []int{1}, []int{1}; fmt.Println(a == b) },
	"reflect":     func() { reflect.ValueOf(3).Elem() },
	"wg":          func() { var wg sync.WaitGroup; wg.Done() },
	"mutex":       func() { var mu sync.Mutex; mu.Unlock() },
	"concmap": func() {
		m := map[int]int{}
		for g := 0; g < 8; g++ {
			go func() {
				for i := 0; ; i++ {
					m[i%100] = i
				}
			}()
		}
		time.Sleep(5 * time.Second)
	},
	"explicit":  func() { panic("ledger out of balance by 42 cents") },
	"explicite": func() { panic(fmt.Errorf("apply order %d: %w", 991, errors.New("stale version"))) },
	"explicitp": func() { panic(&store.Fault{Code: 7}) },
	"explicits": func() { panic(store.Mode("turbo")) },
	"explicitt": func() { panic(point{1, 2}) },
	"explicitn": func() { panic(nil) },
	"multiline": func() {
		panic("first line\nsecond line\n\ngoroutine 1 [running]:\nmain.forged()\n\t/tmp/forged.go:1 +0x1\nlast")
	},
	"nested": func() {
		defer func() { panic("second") }()
		panic("first")
	},
	"repanic": func() {
		defer func() { r := recover(); panic(r) }()
		t3.Tier(7)
	},
	"rewrap": func() {
		defer func() { r := recover(); panic(fmt.Sprintf("wrapped: %v", r)) }()
		t3.Tier(7)
	},
	"generic":     func() { (&store.Stack[string]{}).Pop() },
	"closure":     func() { store.Each([]int{1, 2}, func(i int) { store.Each([]int{1}, func(int) { t3.Tier(9) }) }) },
	"goroutine":   func() { go func() { t3.Tier(9) }(); time.Sleep(time.Second) },
	"gowrap":      func() { go t3.Tier(9); time.Sleep(time.Second) },
	"slicearr":    func() { s := []int{1, 2}; _ = [4]int(s) },
	"oom":         func() { debug.SetMemoryLimit(1 << 20); n := 1 << 46; b := make([]byte, n); fmt.Println(len(b)) },
	"logpanic":    func() { log.Panicf("cannot place order %d", 7) },
	"fault":       func() { b := debugPtr(); *b = 3 },
	"dieexplicit": func() { ledger(44) },
	"stackonly":   func() { debug.PrintStack() },
	"race": func() {
		n := 0
		var wg sync.WaitGroup
		for i := 0; i < 2; i++ {
			wg.Add(1)
			go func() { defer wg.Done(); bump(&n) }()
		}
		wg.Wait()
	},
}

//go:noinline
func ledger(n int) { panic(fmt.Sprintf("ledger out of balance by %d cents", n)) }

//go:noinline
func bump(n *int) { *n++ }

func main() { cases[os.Args[1]]() }
