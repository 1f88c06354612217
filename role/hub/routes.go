package hub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// routes are the hub's own pages. Each has a twin in JSON under /api.
func (h *Hub) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", h.page("Programme", h.showFront))
	mux.HandleFunc("GET /rung/{rung}", h.page("Rung", h.showRung))
	mux.HandleFunc("GET /rung/{rung}/round/{round}", h.page("Round", h.showRound))
	mux.HandleFunc("GET /contributor/{account...}", h.page("Contributor", h.showContributor))
	mux.HandleFunc("GET /model/{rung}", h.page("Model card", h.showModel))
	mux.HandleFunc("GET /statement/{account}", h.page("Statement", h.showStatement))
	mux.HandleFunc("GET /treasury", h.article("Treasury", "treasury"))
	mux.HandleFunc("GET /research", h.article("Research", "research"))
	mux.HandleFunc("GET /network", h.article("Network", "network"))
	mux.HandleFunc("GET /governance", h.article("Governance", "governance"))
	mux.HandleFunc("GET /recipe/{hash}", h.page("Recipe", h.showRecipe))
	mux.HandleFunc("GET /events", h.page("Events", h.showEvents))
	mux.HandleFunc("GET /block/{height}", h.page("Block", h.showBlock))
	mux.HandleFunc("GET /blob/{hash}", h.page("Blob", h.showBlob))
	mux.HandleFunc("GET /glossary", h.page("Glossary", func(*http.Request) (shown, error) {
		return shown{data: terms, body: page.Article(glossary())}, nil
	}))
	mux.HandleFunc("GET /live/{topic}", func(w http.ResponseWriter, r *http.Request) { h.live.ServeTopic(w, r, r.PathValue("topic")) })
	mux.HandleFunc("GET /healthz", h.healthz)
	h.csvRoutes(mux)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		h.Refuse(w, r, crescendo.Errorf(crescendo.CodeNotFound, "there is no page %.100s", r.URL.Path))
	})
}

// shown is a page's content: as data, as a component, and the topic of its
// live updates if it has any.
type shown struct {
	data  any
	body  templ.Component
	topic string
}

// page serves a page, or its data to whoever asks for JSON.
func (h *Hub) page(title string, build func(*http.Request) (shown, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := build(r)
		if err != nil {
			h.Refuse(w, r, err)
			return
		}
		if wantsJSON(r) {
			answerJSON(w, s.data)
			return
		}
		v := h.View(r, title)
		v.Live = s.topic
		h.Render(w, r, http.StatusOK, v, s.body)
	}
}

// article serves one of the pages about the whole programme.
func (h *Hub) article(title, topic string) http.HandlerFunc {
	return h.page(title, func(*http.Request) (shown, error) {
		data, doc, err := h.articles(topic)
		return shown{data, page.Article(doc), topic}, err
	})
}

func (h *Hub) articles(topic string) (data any, doc page.Document, err error) {
	health, measured := h.health(), h.report()
	err = h.read(func(f *facts) (err error) {
		switch topic {
		case "treasury":
			var t Treasury
			t, err = f.treasury()
			data, doc = t, t.document()
		case "research":
			data, doc, err = f.research()
		case "network":
			var n Network
			n, err = f.network(health, measured)
			data, doc = n, f.networkDocument(n)
		case "governance":
			data, doc, err = f.governance()
		default:
			err = crescendo.Errorf(crescendo.CodeNotFound, "there is no page %.100q", topic)
		}
		return err
	})
	return data, doc, err
}

func (h *Hub) showFront(r *http.Request) (shown, error) {
	f, err := h.front(r.Context())
	return shown{f, page.FrontPage(f), "front"}, err
}

func (h *Hub) showRung(r *http.Request) (shown, error) {
	id, err := numberIn(r, "rung")
	if err != nil {
		return shown{}, err
	}
	rounds, err := rangeIn(r)
	if err != nil {
		return shown{}, err
	}
	p, err := h.rungPage(r.Context(), crescendo.RungID(id), rounds)
	return shown{p, page.RungPage(p), rounds.Topic(crescendo.RungID(id))}, err
}

func (h *Hub) showRound(r *http.Request) (shown, error) {
	id, err := numberIn(r, "rung")
	if err != nil {
		return shown{}, err
	}
	n, err := numberIn(r, "round")
	if err != nil {
		return shown{}, err
	}
	p, err := h.roundPage(r.Context(), crescendo.RungID(id), crescendo.Round(n))
	return shown{p, page.RoundPage(p), fmt.Sprintf("round-%d-%d", id, n)}, err
}

func (h *Hub) showContributor(r *http.Request) (shown, error) {
	var out page.Contributor
	err := h.read(func(f *facts) error {
		why, err := f.Explain(r.PathValue("account"), 0)
		if err != nil {
			return err
		}
		why.Recheck = fmt.Sprintf("crescendo audit --url %s --trust %s", h.c.Archive, why.Trust)
		out = page.Contributor{Person: f.person(why.Account), Unit: f.unit, Why: why, Names: map[crescendo.Account]string{}}
		for _, p := range why.Payments {
			for _, who := range []crescendo.Account{p.From, p.To} {
				out.Names[who], _ = f.nameOf(who)
			}
		}
		for who, name := range f.names {
			out.Names[who] = name
		}
		return nil
	})
	return shown{data: out, body: page.WhyPage(out)}, err
}

func (h *Hub) showModel(r *http.Request) (shown, error) {
	id, err := numberIn(r, "rung")
	if err != nil {
		return shown{}, err
	}
	var card ModelCard
	var doc page.Document
	err = h.read(func(f *facts) error {
		rung, err := f.rung(crescendo.RungID(id))
		if err != nil {
			return err
		}
		card, doc, err = f.model(rung)
		return err
	})
	return shown{card, page.Article(doc), fmt.Sprintf("model-%d", id)}, err
}

func (h *Hub) showStatement(r *http.Request) (shown, error) {
	s, err := h.statement(r.Context(), crescendo.Account(r.PathValue("account")))
	return shown{data: s, body: page.Article(s.document())}, err
}

func (h *Hub) showRecipe(r *http.Request) (shown, error) {
	var data any
	var doc page.Document
	err := h.read(func(f *facts) (err error) {
		data, doc, err = f.recipePage(r.PathValue("hash"))
		return err
	})
	return shown{data: data, body: page.Article(doc)}, err
}

func (h *Hub) showEvents(r *http.Request) (shown, error) {
	data, doc, err := h.eventsPage(r)
	return shown{data: data, body: page.Article(doc)}, err
}

func (h *Hub) showBlock(r *http.Request) (shown, error) {
	height, err := numberIn(r, "height")
	if err != nil {
		return shown{}, err
	}
	data, doc, err := h.blockPage(r.Context(), crescendo.Height(height))
	return shown{data: data, body: page.Article(doc)}, err
}

func (h *Hub) showBlob(r *http.Request) (shown, error) {
	data, doc, err := h.blobPage(r.PathValue("hash"))
	return shown{data: data, body: page.Article(doc)}, err
}

// csvRoutes are the tables behind charts and statements.
func (h *Hub) csvRoutes(mux *http.ServeMux) {
	serve := func(pattern, name string, head []string, rows func(*http.Request) ([][]string, error)) {
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
			out, err := rows(r)
			if err != nil {
				h.Refuse(w, r, err)
				return
			}
			answerCSV(w, name, head, out)
		})
	}
	rung := func(rows func(page.Rung) [][]string) func(*http.Request) ([][]string, error) {
		return func(r *http.Request) ([][]string, error) {
			s, err := h.showRung(r)
			if err != nil {
				return nil, err
			}
			return rows(s.data.(page.Rung)), nil
		}
	}
	statement := func(rows func(Statement) [][]string) func(*http.Request) ([][]string, error) {
		return func(r *http.Request) ([][]string, error) {
			s, err := h.statement(r.Context(), crescendo.Account(r.PathValue("account")))
			return rows(s), err
		}
	}
	treasury := func(rows func(Treasury) [][]string) func(*http.Request) ([][]string, error) {
		return func(*http.Request) ([][]string, error) {
			data, _, err := h.articles("treasury")
			if err != nil {
				return nil, err
			}
			return rows(data.(Treasury)), nil
		}
	}
	serve("/rung/{rung}/loss.csv", "loss", []string{"round", "loss_micro_nats_per_token", "bits_per_byte", "time"}, rung(func(r page.Rung) [][]string { return lossRows(r.Loss) }))
	serve("/rung/{rung}/rounds.csv", "rounds", []string{"round", "loss_micro_nats_per_token", "included", "tokens", "uploaded_bytes", "milliseconds", "attempts", "height", "checkpoint"}, rung(roundRows))
	serve("/statement/{account}/payments.csv", "payments", []string{"height", "time", "tx", "from", "to", "amount"}, statement(paymentRows))
	serve("/statement/{account}/shares.csv", "shares", []string{"rung", "shares", "of", "credited", "claimed", "due", "repaid_at"}, statement(shareRows))
	serve("/money.csv", "money", []string{"group", "part", "amount"}, treasury(func(t Treasury) [][]string { return moneyRows(t.Flow) }))
	serve("/holders.csv", "holders", []string{"rung", "account", "shares", "credited"}, treasury(holderRows))
}

// numberIn reads a number out of an address.
func numberIn(r *http.Request, name string) (uint32, error) {
	n, err := strconv.ParseUint(r.PathValue(name), 10, 31)
	if err != nil {
		return 0, crescendo.Errorf(crescendo.CodeInvalid, "%s %.20q: want a number", name, r.PathValue(name))
	}
	return uint32(n), nil
}

// rangeIn reads which rounds an address asks for. What is empty was left out
// of a form.
func rangeIn(r *http.Request) (page.Range, error) {
	q := r.URL.Query()
	var n [3]uint32
	for i, name := range []string{"from", "to", "last"} {
		v := q.Get(name)
		if v == "" {
			continue
		}
		x, err := strconv.ParseUint(v, 10, 31)
		if err != nil || x == 0 {
			return page.Range{}, crescendo.Errorf(crescendo.CodeInvalid, "%s %.20q: want the number of a round", name, v).WithHint("rounds are counted from 1")
		}
		n[i] = uint32(x)
	}
	out := page.Range{From: crescendo.Round(n[0]), To: crescendo.Round(n[1]), Last: n[2]}
	switch {
	case out.Last > 0 && (out.From > 0 || out.To > 0):
		return out, crescendo.Errorf(crescendo.CodeInvalid, "rounds: both a range and the last ones are asked for").WithHint("give from and to, or last")
	case out.To > 0 && out.From > out.To:
		return out, crescendo.Errorf(crescendo.CodeInvalid, "rounds %d to %d: the first is after the last", out.From, out.To)
	}
	return out, nil
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
	switch crescendo.CodeOf(err) {
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
	if !status.good() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(status)
}
