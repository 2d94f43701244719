//go:build go1.21

package harness

import (
	"strconv"
	"strings"
)

// rng is splitmix64: tiny, and seeded for nothing, since every execution has a seed of its own.
type rng struct{ state uint64 }

func newRng(parts ...uint64) *rng {
	r := &rng{0x9e3779b97f4a7c15}
	for _, p := range parts {
		r.state ^= p
		r.state = r.next() ^ p<<17
	}
	return r
}

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// n gives a number below n; 0 for n <= 1.
func (r *rng) n(n int) int {
	if n <= 1 {
		return 0
	}
	return int(r.next() % uint64(n))
}

// pct is true in p of 100 cases.
func (r *rng) pct(p int) bool { return r.n(100) < p }

func pick(r *rng, from []string) string {
	if len(from) == 0 {
		return ""
	}
	return from[r.n(len(from))]
}

// word takes a dictionary entry: mostly from what stands in the functions of the trace and in the log
// near the crash, else from the whole package.
func (g *generator) word() string {
	if len(g.words) > 0 && g.rng.pct(35) {
		return pick(g.rng, g.words)
	}
	w := pick(g.rng, g.config.Words)
	if len(g.config.Hot) > 0 && (w == "" || g.rng.pct(60)) {
		w = pick(g.rng, g.config.Hot)
	}
	g.words = append(g.words, w)
	return w
}

// text is a string argument.
func (g *generator) text() string {
	r := g.rng
	switch p := r.n(100); {
	case p < 12:
		return ""
	case p < 50:
		return g.word()
	case p < 72:
		return g.mutate(g.word())
	case p < 78 && g.config.UsesJSON:
		return g.jsonText()
	case p < 84:
		return strconv.Itoa(int(g.integer()))
	case p < 92:
		return g.short(g.length())
	default:
		return g.mutate(g.mutate(g.word()))
	}
}

const alphabet = "abzAZ019 _-./:,;=+*%#@!?&|<>()[]{}\"'\\\n\t\x00é\xff"

func (g *generator) short(n int) string {
	var out strings.Builder
	for i := 0; i < n; i++ {
		out.WriteByte(alphabet[g.rng.n(len(alphabet))])
	}
	return out.String()
}

// mutate changes a text in one of the ways that most often lead off the tested path.
func (g *generator) mutate(s string) string {
	r := g.rng
	if s == "" {
		return g.short(1 + r.n(3))
	}
	at := r.n(len(s) + 1)
	end := at + r.n(len(s)-at+1)
	switch r.n(10) {
	case 0:
		return s[:at]
	case 1:
		return s[at:]
	case 2:
		return s[:at] + s[end:]
	case 3:
		return s[:end] + s[at:]
	case 4:
		return s[:at] + g.word() + s[at:]
	case 5:
		other := g.word()
		return s[:at] + other[r.n(len(other)+1):]
	case 6:
		return s[:at] + string(alphabet[r.n(len(alphabet))]) + s[at:]
	case 7:
		return g.dropField(s)
	case 8:
		return g.changeNumber(s)
	default:
		if at < len(s) {
			return s[:at] + string(alphabet[r.n(len(alphabet))]) + s[at+1:]
		}
		return s + s
	}
}

// dropField cuts at a separator: one column, pair or line fewer.
func (g *generator) dropField(s string) string {
	for _, sep := range []string{"\n", ",", "&", ";", ":", "=", "/", "|", "-", ".", " "} {
		parts := strings.Split(s, sep)
		if len(parts) < 2 || g.rng.pct(30) {
			continue
		}
		i := g.rng.n(len(parts))
		if g.rng.pct(30) {
			parts[i] = ""
			return strings.Join(parts, sep)
		}
		return strings.Join(append(parts[:i:i], parts[i+1:]...), sep)
	}
	return s
}

// changeNumber replaces the first run of digits.
func (g *generator) changeNumber(s string) string {
	start := strings.IndexAny(s, "0123456789")
	if start < 0 {
		return s + strconv.Itoa(int(g.integer()))
	}
	end := start
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	return s[:start] + strconv.Itoa(int(g.integer())) + s[end:]
}

// length is the size of a slice, map or text: small, or what the crash message tells.
func (g *generator) length() int {
	if len(g.config.Lengths) > 0 && g.rng.pct(25) {
		return g.config.Lengths[g.rng.n(len(g.config.Lengths))]
	}
	return g.rng.n(4)
}

// integer is a number argument.
func (g *generator) integer() int64 {
	r := g.rng
	switch p := r.n(100); {
	case p < 45:
		return int64(r.n(6))
	case p < 55:
		return -int64(1 + r.n(3))
	case p < 75 && len(g.config.Numbers) > 0:
		return g.config.Numbers[r.n(len(g.config.Numbers))]
	case p < 82 && len(g.config.Numbers) > 0:
		return g.config.Numbers[r.n(len(g.config.Numbers))] + int64(r.n(3)) - 1
	case p < 92:
		return int64(r.n(200))
	case p < 97:
		return int64(1) << r.n(34)
	default:
		return -int64(1) << r.n(34)
	}
}
