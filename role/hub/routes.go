package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/live"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// routes are the hub's own pages. Each has a twin in JSON under /api.
func (h *Hub) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", h.page("Programme", "front", func(r *http.Request) (any, templ.Component, error) {
		f, err := h.front(r.Context())
		return f, page.FrontPage(f), err
	}))
	mux.HandleFunc("GET /live/{topic}", func(w http.ResponseWriter, r *http.Request) {
		h.live.ServeTopic(w, r, r.PathValue("topic"))
	})
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		h.Refuse(w, r, crescendo.Errorf(crescendo.CodeNotFound, "there is no page %.100s", r.URL.Path))
	})
}

// builder makes a page's content: as data, and as a component that shows it.
type builder func(r *http.Request) (any, templ.Component, error)

// page serves a page, or its data to whoever asks for JSON.
func (h *Hub) page(title, topic string, build builder) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		data, body, err := build(r)
		if err != nil {
			h.Refuse(w, r, err)
			return
		}
		if wantsJSON(r) {
			answerJSON(w, data)
			return
		}
		v := h.View(r, title)
		v.Live = topic
		h.Render(w, r, http.StatusOK, v, body)
	}
}

// api lets a page's data be asked for under /api as well.
func api(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, ok := strings.CutPrefix(r.URL.Path, "/api/"); ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = "/"+path, ""
			r.Header.Set("Accept", "application/json")
		}
		next.ServeHTTP(w, r)
	})
}

func wantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

func answerJSON(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(data)
}

// Refuse answers with what is wrong and what to do.
func (h *Hub) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, title, text, hint := http.StatusInternalServerError, "Something went wrong here", "The hub could not build this page.", "Try again; if it stays, the log of the hub says why."
	switch code := crescendo.CodeOf(err); code {
	case crescendo.CodeNotFound:
		status, title = http.StatusNotFound, "Not found"
	case crescendo.CodeInvalid:
		status, title = http.StatusBadRequest, "That cannot be answered"
	}
	if status == http.StatusInternalServerError {
		h.c.Log.Warn("build page", "path", r.URL.Path, "error", err)
	} else {
		text, hint = err.Error(), hintOf(err)
	}
	if wantsJSON(r) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]string{"error": text, "hint": hint})
		return
	}
	h.Render(w, r, status, h.View(r, title), page.Refusal(title, text, hint))
}

// healthz says whether the hub follows its chain.
func (h *Hub) healthz(w http.ResponseWriter, r *http.Request) {
	status := h.health()
	w.Header().Set("Content-Type", "application/json")
	if status.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(status)
}

// fragments renders what a live page is made of.
func (h *Hub) fragments(ctx context.Context, topic string) ([]live.Fragment, error) {
	parts, err := h.parts(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := make([]live.Fragment, 0, len(parts))
	for _, p := range parts {
		var b bytes.Buffer
		if err := p.body.Render(ctx, &b); err != nil {
			return nil, err
		}
		out = append(out, live.Fragment{Name: p.name, HTML: b.Bytes()})
	}
	return out, nil
}

// part is a piece of a page that is replaced as a whole.
type part struct {
	name string
	body templ.Component
}

func (h *Hub) parts(ctx context.Context, topic string) ([]part, error) {
	switch topic {
	case "front":
		f, err := h.front(ctx)
		return []part{
			{"hero", page.Hero(f)}, {"ladder", page.Ladder(f)}, {"loss", page.LossPanel(f.Loss)}, {"crew", page.CrewPanel(f)},
			{"tiles", page.Tiles(f)}, {"flow", page.FlowPanel(f)}, {"news", page.NewsPanel(f.News)},
		}, err
	}
	return nil, crescendo.Errorf(crescendo.CodeNotFound, "there is no live page %.100q", topic)
}
