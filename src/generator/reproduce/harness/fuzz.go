//go:build go1.21

package harness

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// How it stands with a process of the fuzzer.
const (
	calling = iota + 1
	matched
	ended
)

// trailHead is how many bytes the numbers of a trail take.
const trailHead = 6 * 8

// trail is a file in which a process of the fuzzer leaves what it did last: it may die of it, and what the fuzzer
// itself would write of that goes into the sources, which cannot be written.
type trail struct {
	s       *search
	calls   []*Term
	file    *os.File
	buffer  [trailHead + maxFuzzed]byte
	tried   uint64
	matched bool
}

var fuzzed *trail

func init() {
	fuzz = func(s *search, tests any) int {
		fuzzed = &trail{s: s}
		code := tests.(*testing.M).Run()
		if fuzzed.file != nil && !fuzzed.matched {
			fuzzed.note(ended, 0, nil)
		}
		return code
	}
}

// Fuzz is the fuzz target: it makes the calls that the configuration names with the texts that the fuzzer makes.
// It fails when the crash of the log is seen; every other one is recovered.
func Fuzz(f *testing.F) {
	for _, at := range fuzzed.s.config.Texts {
		call := fuzzed.s.generate(at)
		if call == nil {
			f.Skip("no such call")
		}
		fuzzed.calls = append(fuzzed.calls, call)
	}
	beginnings := fuzzed.s.config.beginnings()
	if len(fuzzed.calls) == 1 {
		for _, text := range beginnings {
			f.Add([]byte(text))
		}
		f.Fuzz(func(t *testing.T, data []byte) { fuzzed.try(t, data, 0) })
		return
	}
	for i, text := range beginnings {
		f.Add([]byte(text), byte(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, which byte) { fuzzed.try(t, data, int(which)%len(fuzzed.calls)) })
}

func (f *trail) try(t *testing.T, data []byte, which int) {
	if f.matched || len(data) > maxFuzzed {
		return
	}
	f.tried++
	f.note(calling, which, data)
	seen := f.s.run(f.calls[which].withData(f.s.config.Texts[which].Splice.Number, data))
	if f.s.hung > maxHung {
		f.note(ended, 0, nil)
		os.Exit(0)
	}
	if seen == nil {
		return
	}
	if score, _ := f.s.config.match(seen); score > 0 {
		f.note(matched, which, data)
		f.matched = true
		t.FailNow()
	}
}

// note writes how it stands, with the call and its text. It does the same for every text, or the fuzzer would be
// guided by it.
func (f *trail) note(state uint64, which int, data []byte) {
	if f.file == nil {
		name := filepath.Join(os.TempDir(), "hephaestus-fuzz-"+strconv.Itoa(os.Getpid()))
		file, err := os.Create(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "harness:", err)
			os.Exit(3)
		}
		f.file = file
	}
	numbers := [...]uint64{f.s.config.Token, state, f.tried, uint64(f.s.hung), uint64(which), uint64(len(data))}
	for i, number := range numbers {
		binary.LittleEndian.PutUint64(f.buffer[8*i:], number)
	}
	n := copy(f.buffer[trailHead:], data)
	if _, err := f.file.WriteAt(f.buffer[:trailHead+n], 0); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
	}
}
