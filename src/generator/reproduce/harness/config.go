//go:build go1.21

package harness

// Config is what the log and the sources tell: written by the searching side, read once.
type Config struct {
	Mode     string // search, texts, fuzz, again, shrink, render, replay, before, after, stress, alone, beside
	Token    uint64 // goes with everything that is handed back
	Seed     uint64
	Class    string
	Message  string
	Wait     string // what the runtime says that the goroutine of the log waits for
	Actual   string // the type that came, in a failed type assertion
	Stack    []Place
	Tree     string // the root of the sources
	Drifted  bool   // the line of the log is not to be trusted: function and class decide
	Phases   []Phase
	Start    Position
	Hot      []string // literals of the functions on the stack
	Log      []string // texts of the log
	Fuzzed   [][]int  // texts that the fuzzer found, as bytes
	Samples  []string // literals of the tests of the packages on the stack
	Keys     []Key    // members of documents that the functions on the stack read
	Words    []string // literals of the package and its tests
	Numbers  []int64
	Lengths  []int
	JSON     []string
	UsesJSON bool
	// The package works with types that it does not know.
	UsesReflect bool
	Tags        []string // of the fields of structs
	Routes      []Route
	HotRoute    []Route // those that lead to the functions on the stack
	Requests    []Route // as the log tells them
	Query       []string
	Headers     []string
	Passed      []Passed // what the log says that functions of the stack were called with
	Any         string   // how the package spells the empty interface
	Taken       []string // identifiers that a variable may not shadow
	Path        []int    // shrink steps already taken
	From        int      // the next shrink step to try
	Millis      int64    // the time for everything
	Without     []string // functions that end the process: only as a target they are called
	Others      []string // functions that other goroutines were in, where several are at fault
	Elsewhere   bool     // whether the other one is known to have been in another function
	// What calls before the change told.
	Aftermath Aftermath
	Texts     []Position // the calls that are fuzzed, and which text of each
}

// Passed are the words that a frame of the log prints in its brackets.
type Passed struct{ Function, Words string }

// Place is a statement on the log's stack.
type Place struct {
	File     string
	Line     int
	Function string
}

// Phase is one target and what may be done to reach it.
type Phase struct {
	Target string // a function, or "http"
	Entry  bool
	Forced bool
	Millis int64 // when it ends, from the start of the process
}

// Key is a member of a document and its type, where the source tells one.
type Key struct{ Name, Kind string }

// Route is a method and a path, or a pattern of one.
type Route struct{ Method, Path string }

// Position is where an execution stands: together with the seed it decides what is done.
type Position struct {
	Phase  int
	Index  uint64
	Splice *Splice
}

// Splice is a text that takes the place of one of those which the call at a position is made with.
type Splice struct {
	Number int
	Data   []int // its bytes: as such JSON would write them in base64
}

// Result is what a run hands back.
type Result struct {
	Token   uint64
	Tried   uint64
	Ended   bool // the process came to its end, and nothing killed it
	Done    bool // the search came to its end
	Next    Position
	Hung    bool // too many executions hang: go on in a new process
	Stuck   int  // executions that did not come back
	Found   []Found
	Missing []string // targets that are not registered
	// Other statements that crash in the same way, in the failing function or beside it.
	Elsewhere []Place
	Woken     string // who wakes a call that hangs
	Asleep    bool   // nobody does
	Aftermath *Aftermath
	Hang      *Hang
	Texts     []Position // the calls that can be fuzzed
	Drills    []Drill
	GivenUp   []string // functions whose calls do not come back
}

// Found is a call that ends in the crash.
type Found struct {
	At      Position
	Score   int
	Exact   bool
	Forced  bool
	Entry   bool
	Message string
	Call    string // the function that was called
	Steps   int    // calls in all
	Path    []int  // the shrink steps that were taken from what stands at the position
	Imports []Import
	Setup   string // the statements before the call
	Final   string // the call
	Blocks  bool   // calls of this target may not return
	Problem string // why it cannot be written down
}

// Import is one import of the written test.
type Import struct{ Name, Path string }
