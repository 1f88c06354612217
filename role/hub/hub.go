// Package hub is the seat in front of which people sit: a web site that shows
// a programme as it happens and lets its holders act. It follows the chain
// like an auditor, executing every block itself, and keeps a read model that
// can be deleted and built again.
//
// It holds no money and decides nothing. What people do through it is signed
// elsewhere: by their own wallet, or by the seat plugged in as a Section.
// Pages are readable without JavaScript and load nothing from other sites.
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/role/hub/live"
	"github.com/crescendo-network/crescendo/role/hub/nodes"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
	"github.com/crescendo-network/crescendo/role/hub/static"
)

// Section is a part of the site that is built elsewhere. It may also be a
// Guard or a Door.
type Section interface {
	Routes(mux *http.ServeMux)
}

// Guard stands in front of all requests: headers, limits, sessions.
type Guard interface {
	Wrap(next http.Handler) http.Handler
}

// Door knows who is logged in.
type Door interface {
	Visitor(r *http.Request) page.Visitor
}

// Narrator tells events in sentences.
type Narrator interface {
	Name(who crescendo.Account, name string)
	Line(e crescendo.Event) (line string, details bool)
}

// Config is what a Hub needs.
type Config struct {
	Model   *record.Model
	Blobs   blob.Store
	Engine  engine.Engine // for samples; nil: none are made
	Say     Narrator
	Names   map[crescendo.Account]string // of demo actors; may be nil
	Archive string                       // that others may mirror from
	Watch   *nodes.Watch                 // what measures nodes; nil: nobody does
	Version string                       // of this program; empty: as it says itself
	Now     func() time.Time             // nil: the clock
	Log     *slog.Logger
}

// Hub is the seat.
type Hub struct {
	c        Config
	sections []Section
	guard    Guard
	door     Door
	live     *live.Server
	texts    *texts
	samples  *samples
	nudged   chan struct{} // something beside the chain has changed
}

// New makes a hub; Plug adds sections to it before it serves.
func New(c Config) *Hub {
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &Hub{c: c, texts: newTexts(), samples: newSamples(c.Blobs, c.Engine), nudged: make(chan struct{}, 1)}
	h.live = live.New(h.fragments)
	return h
}

// Plug adds a section. Of Guards and Doors the last one counts.
func (h *Hub) Plug(s Section) {
	h.sections = append(h.sections, s)
	if g, ok := s.(Guard); ok {
		h.guard = g
	}
	if d, ok := s.(Door); ok {
		h.door = d
	}
}

// View is the frame of a page for a request, as all sections use it.
func (h *Hub) View(r *http.Request, title string) page.View {
	v := page.View{Title: title, Path: r.URL.Path}
	h.c.Model.Read(func(n record.Now) error {
		v.Programme, v.ChainID, v.Simulated = n.Spec.Name, n.ChainID, n.Spec.Simulated
		v.Demo = strings.HasPrefix(n.ChainID, "crescendo-dev-")
		v.Height, v.Updated = n.Height, time.UnixMilli(n.Time)
		return nil
	})
	if h.door != nil {
		visitor := h.door.Visitor(r)
		v.User, v.CSRF, v.Flash = visitor.User, visitor.CSRF, visitor.Flash
	}
	return v
}

// Render answers with a page.
func (h *Hub) Render(w http.ResponseWriter, r *http.Request, status int, v page.View, body templ.Component) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := page.Shell(v, body).Render(r.Context(), w); err != nil && r.Context().Err() == nil {
		h.c.Log.Warn("render page", "path", r.URL.Path, "error", err)
	}
}

// Handler is the whole site.
func (h *Hub) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+static.Prefix, static.Handler())
	h.routes(mux)
	for _, s := range h.sections {
		s.Routes(mux)
	}
	if h.guard != nil {
		return h.guard.Wrap(api(mux))
	}
	return headers(api(mux))
}

// policy allows nothing but what the hub itself serves, and no inline code.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers are sent when no Guard is plugged in.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

const (
	maxBody   = 1 << 20
	maxHeader = 32 << 10
)

// Serve answers on a listener until ctx ends.
func (h *Hub) Serve(ctx context.Context, l net.Listener) error {
	s := &http.Server{
		Handler: h.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if s.Shutdown(grace) != nil {
			s.Close()
		}
	})
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve hub on %s: %w", l.Addr(), err)
	}
	return context.Cause(ctx)
}

// refreshPause keeps a fast chain from being rendered more often than people
// can read.
const refreshPause = 250 * time.Millisecond

// Run keeps live pages up to date until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	go h.texts.run(ctx, h.c.Blobs, func(manifest crescendo.Hash, err error) {
		if err != nil && ctx.Err() == nil {
			h.c.Log.Warn("read corpus", "manifest", manifest, "error", err)
		}
		h.nudge()
	})
	go h.samples.run(ctx, h.nudge)
	if h.c.Watch != nil {
		go h.c.Watch.Run(ctx, h.nudge)
	}
	for {
		changed := h.c.Model.Changed()
		h.prepare()
		if err := h.live.Refresh(ctx); err != nil && ctx.Err() == nil {
			h.c.Log.Warn("refresh live pages", "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-h.nudged:
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(refreshPause):
		}
	}
}

// nudge has live pages rendered again although no block has come.
func (h *Hub) nudge() {
	select {
	case h.nudged <- struct{}{}:
	default:
	}
}

// prepare has texts read before the first visitor asks for them.
func (h *Hub) prepare() {
	if err := h.read(func(f *facts) error {
		for i := range f.rungs {
			h.texts.of(f.rungs[i].run.Corpus)
		}
		return nil
	}); err != nil {
		h.c.Log.Warn("read the programme", "error", err)
	}
}
