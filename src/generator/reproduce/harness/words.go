//go:build go1.21

package harness

// Whether a crash met nil where the log did: the words of the failing function, as the runtime prints them.

import (
	"runtime"
	"strings"
)

const (
	// Of so many words each costs a match, and the shrinker (which lets a match lose 10) keeps what they are.
	maxUnlike  = 3
	unlikeCost = 12
	maxTrace   = 8 << 10
	// Below it are numbers: no address is so small.
	leastAddress = 1 << 16
)

// words are what the failing function was called with, while its panic passes; empty where the log does not tell.
func (c *Config) words(seen *crash) string {
	if len(seen.frames) == 0 || classify(seen.value) != c.Class || c.told(seen.frames[0].Function) == "" {
		return ""
	}
	buffer := make([]byte, maxTrace)
	trace := string(buffer[:runtime.Stack(buffer, false)])
	// What stands before are the functions that look at the panic.
	if at := strings.LastIndex(trace, "\npanic("); at >= 0 {
		trace = trace[at+1:]
	}
	for _, line := range strings.Split(trace, "\n") {
		open := strings.LastIndexByte(line, '(')
		if open > 0 && strings.HasSuffix(line, ")") && functionName(line[:open]) == seen.frames[0].Function {
			return line[open+1 : len(line)-1]
		}
	}
	return ""
}

// told are the words of a function in the log.
func (c *Config) told(function string) string {
	for _, passed := range c.Passed {
		if passed.Function == function {
			return passed.Words
		}
	}
	return ""
}

// unlike counts the words that are nil in the log and not here, or here and not in the log.
func (c *Config) unlike(seen *crash) int {
	if seen.words == "" || len(seen.frames) == 0 {
		return 0
	}
	log, _ := readWords(c.told(seen.frames[0].Function))
	here, _ := readWords(seen.words)
	count := 0
	for i, word := range log {
		if i < len(here) && (word.isNil() && here[i].isAddress() || word.isAddress() && here[i].isNil()) {
			count++
		}
	}
	return min(count, maxUnlike)
}

// What stands in braces is a text, a list or a struct: that it is empty says less.
func (w passedWord) isNil() bool     { return w.known && w.parts == nil && w.value == 0 }
func (w passedWord) isAddress() bool { return w.known && w.parts == nil && w.value >= leastAddress }
