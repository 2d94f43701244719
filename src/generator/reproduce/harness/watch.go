//go:build go1.21

package harness

import (
	"encoding/binary"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"time"
)

// markSize is how many bytes the numbers of the mark take.
const markSize = 24

// longestName is what the mark has place for: longer names are not told.
const longestName = 256

// watch notes which function is called, before it is: whoever finds that the process ended reads it there.
type watch struct {
	mark     *os.File
	self     string        // the import path of the package
	patience time.Duration // how long a call is waited for that has started goroutines
}

// call makes a call. What it has started may end the process a moment later, and has its turn here: the
// next call is not to be taken for it. Nobody watches while calls are only tried, since that takes time.
func (w *watch) call(fn *Func, in []reflect.Value) []reflect.Value {
	if w == nil || fn.format != "" { // The standard library ends no process.
		return fn.value.Call(in)
	}
	w.note(fn)
	defer settle(runtime.NumGoroutine(), w.patience)
	return fn.value.Call(in)
}

// note writes the name behind the numbers of the mark, with its length before it.
func (w *watch) note(fn *Func) {
	var buffer [8 + longestName]byte
	if key := fn.key(w.self); len(key) <= longestName {
		binary.LittleEndian.PutUint64(buffer[:8], uint64(len(key)))
		copy(buffer[8:], key)
	}
	if _, err := w.mark.WriteAt(buffer[:], markSize); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
	}
}

// settle waits for goroutines beyond so many, for a while.
func settle(goroutines int, patience time.Duration) {
	for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		time.Sleep(100 * time.Microsecond)
	}
}
