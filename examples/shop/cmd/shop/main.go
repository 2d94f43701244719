// Command shop serves the shop's API.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/shop/internal/api"
	"example.com/shop/internal/catalog"
	"example.com/shop/internal/notify"
	"example.com/shop/internal/orders"
	"example.com/shop/internal/report"
	"example.com/shop/internal/shipping"
	"example.com/shop/internal/stock"
	"example.com/shop/internal/worker"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	carrier := flag.String("carrier", "http://127.0.0.1:8090", "base address of the carrier's API")
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := run(log, *addr, *carrier); err != nil {
		log.Error("shop stopped", "error", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger, addr, carrier string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	products := catalog.NewStore()
	service := orders.NewService(products)
	jobs := worker.New(log, 64)
	server := api.New(api.Deps{
		Log:     log,
		Catalog: products,
		Stock:   stock.NewLedger(),
		Orders:  service,
		Reports: report.NewReporter(service),
		Hub: notify.NewHub(log, func(target, message string) error {
			log.Info("notification", "target", target, "message", message)
			return nil
		}),
		Worker:  jobs,
		Carrier: shipping.NewClient(carrier),
	})
	go jobs.Run(ctx)

	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Info("listening", "addr", listener.Addr().String())
	srv := &http.Server{Handler: server.Handler(), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down")
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
