//go:build go1.21

package harness

import (
	"io"
	"log/slog"
)

func init() {
	optional = append(optional, func(r *Registry) {
		r.offer(typeOf((**slog.Logger)(nil)), standard(
			func() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) },
			"slog.New(slog.NewTextHandler(io.Discard, nil))", "io", "log/slog"))
	})
}
