package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"example.com/shop/internal/orders"
	"example.com/shop/internal/payment"
	"example.com/shop/internal/pricing"
	"example.com/shop/internal/shipping"
	"example.com/shop/internal/worker"
)

func (s *Server) handleOrders(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Customer string        `json:"customer"`
		Lines    []orders.Line `json:"lines"`
	}
	if !decode(w, r, &req) {
		return
	}
	order, err := s.Orders.Place(req.Customer, req.Lines)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	told := s.Hub.Publish("order.placed", map[string]string{"id": order.ID, "customer": order.Customer})
	s.Log.Info("order placed", "order", order.ID, "total", order.Total(), "notified", told)
	reply(w, http.StatusCreated, order)
}

func (s *Server) handleOrder(w http.ResponseWriter, r *http.Request) {
	id, action, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/orders/"), "/")
	switch action {
	case "summary":
		sum, err := s.Orders.Summary(id)
		if err != nil {
			fail(w, statusOf(err), err)
			return
		}
		reply(w, http.StatusOK, sum)
	case "installments":
		s.handleInstallments(w, r, id)
	case "delivery":
		s.handleDelivery(w, r, id)
	default:
		fail(w, http.StatusNotFound, fmt.Errorf("no action %q on an order", action))
	}
}

func (s *Server) handleInstallments(w http.ResponseWriter, r *http.Request, id string) {
	order, err := s.Orders.Find(id)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	months, err := intParam(r, "months", 3)
	if err != nil || months > 36 {
		fail(w, http.StatusBadRequest, errors.New("months must be a number up to 36"))
		return
	}
	plan, err := pricing.Installments(order.Total(), months)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	reply(w, http.StatusOK, plan)
}

func (s *Server) handleDelivery(w http.ResponseWriter, r *http.Request, id string) {
	var req struct {
		Day string `json:"day"`
	}
	if !decode(w, r, &req) {
		return
	}
	day, err := shipping.ParseDay(req.Day)
	if err != nil {
		s.Log.Error("delivery not scheduled", "order", id, "error", err.Error())
		fail(w, http.StatusBadRequest, err)
		return
	}
	if err := s.Orders.Schedule(id, day); err != nil {
		fail(w, statusOf(err), err)
		return
	}
	reply(w, http.StatusOK, map[string]string{"order": id, "delivery": day.Format(time.DateOnly)})
}

func (s *Server) handlePayment(w http.ResponseWriter, r *http.Request) {
	body, err := readAll(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	event, err := payment.ParseEvent(body)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if event.Type == "captured" {
		if err := s.Orders.Pay(event.Order, event.Amount); err != nil {
			fail(w, statusOf(err), err)
			return
		}
	}
	reply(w, http.StatusOK, event)
}

func (s *Server) handleDaily(w http.ResponseWriter, r *http.Request) {
	daily, err := s.Reports.Daily(r.URL.Query().Get("day"))
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	reply(w, http.StatusOK, daily)
}

func (s *Server) handleSubscribe(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Event    string `json:"event"`
		Target   string `json:"target"`
		Template string `json:"template"`
	}
	if !decode(w, r, &req) {
		return
	}
	sub, err := s.Hub.Subscribe(req.Event, req.Target, req.Template)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	reply(w, http.StatusCreated, sub)
}

func (s *Server) handleJobs(w http.ResponseWriter, r *http.Request) {
	var job worker.Job
	if !decode(w, r, &job) {
		return
	}
	if err := s.Worker.Enqueue(job); err != nil {
		fail(w, statusOf(err), err)
		return
	}
	reply(w, http.StatusAccepted, map[string]string{"queued": job.Kind})
}
