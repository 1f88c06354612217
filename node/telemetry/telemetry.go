// Package telemetry tells how long-lived processes are doing, in the text
// format that Prometheus reads: what the process itself uses, and a few facts
// of the programme as this process sees it. Values are for dashboards and
// alarms. Nothing is decided by them, and money in them is rounded to a
// float: accounts are made from the ledger.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Path is where measurements are served.
const Path = "/metrics"

// Limits of what is served: scrapes are for machines that ask every few
// seconds, so that few at once suffice.
const (
	scrapesAtOnce = 4
	scrapeTime    = 10 * time.Second
)

// Handler serves the measurements of a process that has a role, and of what
// it follows.
func Handler(role string, follows ...Source) http.Handler {
	return promhttp.HandlerFor(registry(role, follows...), promhttp.HandlerOpts{
		MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeTime, ErrorHandling: promhttp.ContinueOnError,
	})
}

func registry(role string, follows ...Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{[]Source{sourceOf(processFamilies, func(context.Context) []sample {
			return []sample{{name: "crescendo_process_info", labels: []string{role}, value: 1}}
		})}})
	for _, s := range follows {
		r.MustRegister(&collector{[]Source{s}})
	}
	return r
}

var processFamilies = []family{{"crescendo_process_info", gauge, "The role of this process; always 1.", []string{"role"}}}

// Serve serves measurements on an address of their own until ctx ends, for
// processes that serve nothing else. An address that cannot be had is an
// error at once.
func Serve(ctx context.Context, address string, h http.Handler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serve measurements: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+Path, h)
	s := &http.Server{Handler: mux, ReadTimeout: scrapeTime, WriteTimeout: 2 * scrapeTime, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	context.AfterFunc(ctx, func() { s.Close() })
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			l.Close()
		}
	}()
	return nil
}

// kind is what a family of samples counts.
type kind = prometheus.ValueType

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// family describes the samples of one name.
type family struct {
	name   string
	kind   kind
	help   string
	labels []string
}

type sample struct {
	name   string
	labels []string
	value  float64
}

// Source is something that is measured when somebody asks.
type Source struct {
	families []family
	read     func(context.Context) []sample
}

func sourceOf(families []family, read func(context.Context) []sample) Source {
	return Source{families, read}
}

// collector presents sources to Prometheus.
type collector struct{ sources []Source }

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, s := range c.sources {
		for _, f := range s.families {
			out <- f.describe()
		}
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime/2)
	defer cancel()
	for _, s := range c.sources {
		known := map[string]family{}
		for _, f := range s.families {
			known[f.name] = f
		}
		for _, v := range s.read(ctx) {
			f := known[v.name]
			m, err := prometheus.NewConstMetric(f.describe(), f.kind, v.value, v.labels...)
			if err != nil {
				m = prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), fmt.Errorf("measure %s: %w", v.name, err))
			}
			out <- m
		}
	}
}

func (f family) describe() *prometheus.Desc {
	return prometheus.NewDesc(f.name, f.help, f.labels, nil)
}
