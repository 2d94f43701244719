package grid

import "fmt"

type tokenKind int

const (
	tokEnd tokenKind = iota
	tokNumber
	tokText
	tokName
	tokSign
)

type token struct {
	kind tokenKind
	text string
}

// scan cuts a formula into tokens.
func scan(src string) ([]token, error) {
	var out []token
	for i := 0; i < len(src); {
		start, c := i, src[i]
		switch {
		case c == ' ' || c == '\t':
			i++
		case c >= '0' && c <= '9':
			for i < len(src) && src[i] >= '0' && src[i] <= '9' {
				i++
			}
			out = append(out, token{tokNumber, src[start:i]})
		case isLetter(c):
			for i < len(src) && (isLetter(src[i]) || src[i] >= '0' && src[i] <= '9') {
				i++
			}
			out = append(out, token{tokName, src[start:i]})
		case c == '"':
			for i++; src[i] != '"'; i++ {
			}
			out = append(out, token{tokText, src[start+1 : i]})
			i++
		case c == '+' || c == '-' || c == '*' || c == '/' || c == '%' || c == '(' || c == ')' || c == ',' || c == ':':
			i++
			out = append(out, token{tokSign, string(c)})
		default:
			return nil, fmt.Errorf("unexpected %q at column %d", c, i+1)
		}
	}
	return append(out, token{kind: tokEnd}), nil
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
