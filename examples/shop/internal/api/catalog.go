package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"example.com/shop/internal/importer"
	"example.com/shop/internal/pricing"
)

func (s *Server) handleProducts(w http.ResponseWriter, r *http.Request) {
	page, err := intParam(r, "page", 0)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	size, err := intParam(r, "size", 20)
	if err != nil || size > 100 {
		fail(w, http.StatusBadRequest, errors.New("size must be between 0 and 100"))
		return
	}
	reply(w, http.StatusOK, s.Catalog.List(page, size))
}

func (s *Server) handleProduct(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/products/"), "/")
	sku, view := parts[0], parts[1]
	product, err := s.Catalog.Get(sku)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	switch view {
	case "price":
		reply(w, http.StatusOK, map[string]int64{"price": product.Price})
	case "stock":
		reply(w, http.StatusOK, map[string]int{"available": s.Stock.Available(sku)})
	default:
		fail(w, http.StatusNotFound, fmt.Errorf("no view %q of a product", view))
	}
}

func (s *Server) handleHold(w http.ResponseWriter, r *http.Request) {
	var req struct {
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity"`
	}
	if !decode(w, r, &req) {
		return
	}
	if req.Quantity <= 0 {
		fail(w, http.StatusBadRequest, errors.New("quantity must be positive"))
		return
	}
	if err := s.Stock.Hold(req.SKU, req.Quantity); err != nil {
		fail(w, statusOf(err), err)
		return
	}
	reply(w, http.StatusOK, map[string]int{"available": s.Stock.Available(req.SKU)})
}

func (s *Server) handleImport(w http.ResponseWriter, r *http.Request) {
	rows, err := importer.Read(r.Body)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	for _, row := range rows {
		if err := s.Catalog.Put(row.Product); err != nil {
			fail(w, statusOf(err), err)
			return
		}
		if row.Quantity == 0 {
			continue
		}
		if err := s.Stock.Receive(row.Product.SKU, row.Quantity); err != nil {
			fail(w, statusOf(err), err)
			return
		}
	}
	s.Log.Info("price list imported", "rows", len(rows))
	reply(w, http.StatusOK, map[string]int{"imported": len(rows)})
}

func (s *Server) handleQuote(w http.ResponseWriter, r *http.Request) {
	var req struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
		Voucher  string `json:"voucher"`
	}
	if !decode(w, r, &req) {
		return
	}
	product, err := s.Catalog.Get(req.SKU)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	total := product.Price * req.Quantity
	if req.Voucher != "" {
		if total, err = pricing.ApplyVoucher(total, req.Voucher); err != nil {
			fail(w, statusOf(err), err)
			return
		}
	}
	reply(w, http.StatusOK, map[string]int64{"total": total})
}

func (s *Server) handleRates(w http.ResponseWriter, r *http.Request) {
	postcode := r.URL.Query().Get("to")
	rates, err := s.Carrier.Rates(r.Context(), postcode)
	if err != nil {
		s.Log.Error("carrier rates unavailable", "to", postcode, "error", err.Error())
		fail(w, http.StatusBadGateway, errors.New("the carrier does not answer"))
		return
	}
	reply(w, http.StatusOK, rates)
}

// readAll reads a body up to the limit set for every request.
func readAll(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return body, nil
}
