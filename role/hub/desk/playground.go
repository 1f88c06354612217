package desk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/proxy"
)

// playground keeps a proxy for each wallet that asks: the same one that
// `crescendo inference proxy` runs, paid by that wallet's own escrow.
type playground struct {
	cfg Config

	mu      sync.Mutex
	proxies map[crescendo.Account]*till
	closed  bool
	running sync.WaitGroup
}

// till is one wallet's proxy.
type till struct {
	url    string
	cancel context.CancelFunc
	ready  chan struct{} // closed when url stands, or err
	err    error
	idle   *time.Timer

	mu      sync.Mutex
	receipt inference.SignedReceipt // newest
}

// Bounds on proxies: each holds an escrow while it is open.
const (
	maxTills     = 16
	tillIdle     = 10 * time.Minute
	maxPrompt    = 4 << 10
	maxAnswer    = 256 << 10
	maxNewTokens = 256
	askTime      = 50 * time.Second
)

func newPlayground(cfg Config) *playground {
	return &playground{cfg: cfg, proxies: map[crescendo.Account]*till{}}
}

// of returns the wallet's proxy, starting it if need be.
func (p *playground) of(ctx context.Context, who *wallet) (*till, error) {
	if p.cfg.Relay == "" || who.signer == nil {
		return nil, crescendo.Errorf(crescendo.CodeForbidden, "ask: this hub cannot open a session for %s", short(who.account)).
			WithHint("with a key of your own, run `crescendo inference proxy` beside you; the demo wallet and passkey wallets can ask here")
	}
	p.mu.Lock()
	t := p.proxies[who.account]
	if t == nil {
		if len(p.proxies) >= maxTills || p.closed {
			p.mu.Unlock()
			return nil, crescendo.Errorf(crescendo.CodeForbidden, "ask: %d others are asking", maxTills).WithHint("try again in a few minutes")
		}
		t = p.start(who)
	}
	t.idle.Reset(tillIdle)
	p.mu.Unlock()
	select {
	case <-t.ready:
		return t, t.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start needs mu.
func (p *playground) start(who *wallet) *till {
	ctx, cancel := context.WithCancel(context.Background())
	t := &till{cancel: cancel, ready: make(chan struct{})}
	t.idle = time.AfterFunc(tillIdle, cancel)
	p.proxies[who.account] = t
	home := ""
	if p.cfg.Home != "" {
		home = filepath.Join(p.cfg.Home, "sessions", string(who.account))
	}
	var once sync.Once
	p.running.Go(func() {
		err := proxy.Run(ctx, proxy.Config{
			Ledger: p.cfg.Ledger, Signer: who.signer, Relay: p.cfg.Relay, Sessions: 1, Home: home, Blobs: p.cfg.Blobs, Log: p.cfg.Log,
			Ready: func(address string) {
				t.url = "http://" + address + "/v1"
				once.Do(func() { close(t.ready) })
			},
			Receipt: t.keep,
		})
		p.mu.Lock()
		delete(p.proxies, who.account)
		p.mu.Unlock()
		once.Do(func() {
			t.err = fmt.Errorf("start proxy: %w", err)
			close(t.ready)
		})
		if err != nil {
			p.cfg.Log.Warn("playground proxy ended", "account", who.account, "error", err)
		}
	})
	return t
}

func (t *till) keep(r inference.SignedReceipt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.receipt = r
}

func (t *till) last() inference.SignedReceipt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.receipt
}

// close ends all proxies, which close their sessions on the ledger.
func (p *playground) close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	for _, t := range p.proxies {
		t.cancel()
	}
	p.mu.Unlock()
	done := make(chan struct{})
	go func() { p.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close playground: %w", ctx.Err())
	}
}

// question is what a visitor asks.
type question struct {
	Model  string
	Prompt string
	Tokens int
}

// standardPrompt is completed by default: the models of the demo programmes
// have read the Go tree.
const standardPrompt = "func (b *Buffer) Write(p []byte) (n int, err error) {\n"

func readQuestion(r *http.Request) (question, error) {
	q := question{Model: r.PostForm.Get("model"), Prompt: strings.ReplaceAll(r.PostForm.Get("prompt"), "\r\n", "\n"), Tokens: 64}
	if s := r.PostForm.Get("tokens"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxNewTokens {
			return q, crescendo.Errorf(crescendo.CodeInvalid, "ask: %q tokens, want 1 to %d", s, maxNewTokens)
		}
		q.Tokens = n
	}
	switch {
	case len(q.Prompt) == 0:
		return q, crescendo.Errorf(crescendo.CodeInvalid, "ask: the prompt is empty")
	case len(q.Prompt) > maxPrompt:
		return q, crescendo.Errorf(crescendo.CodeInvalid, "ask: the prompt has %d bytes, at most %d", len(q.Prompt), maxPrompt).WithHint("the models of small programmes see few tokens at once")
	case q.Model == "" || len(q.Model) > 64:
		return q, crescendo.Errorf(crescendo.CodeInvalid, "ask: no model is named").WithHint("choose one of the rungs that serve")
	}
	return q, nil
}

// reply is an answer with everything that was said about it.
type reply struct {
	Text         string
	Finish       string
	Input        uint64 // tokens
	Output       uint64
	Price        crescendo.Amount
	Vault        string
	Assurance    string
	Weights      string // what the answer was computed with
	Receipt      inference.Receipt
	Signed       string // the receipt's signature, in hexadecimal digits
	PriceKnown   bool
	ReceiptKnown bool
}

// post sends a question to a proxy.
func (t *till) post(ctx context.Context, q question, stream bool) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{
		"model": q.Model, "prompt": q.Prompt, "max_tokens": q.Tokens, "stream": stream, "temperature": 0,
		"stream_options": map[string]bool{"include_usage": true},
	})
	if !stream {
		body, err = json.Marshal(map[string]any{"model": q.Model, "prompt": q.Prompt, "max_tokens": q.Tokens, "temperature": 0})
	}
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+"/completions", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var said struct {
		Error struct{ Message string } `json:"error"`
	}
	json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&said)
	code := crescendo.CodeInvalid
	if resp.StatusCode >= http.StatusInternalServerError {
		code = crescendo.CodeWrongTime
	}
	return nil, crescendo.Errorf(code, "ask: %.400s", said.Error.Message).WithHint("the network page shows whether a vault serves; an answer that did not come costs nothing")
}

// ask waits for a whole answer.
func (d *Desk) ask(ctx context.Context, who *wallet, q question) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	t, err := d.play.of(ctx, who)
	if err != nil {
		return reply{}, err
	}
	resp, err := t.post(ctx, q, false)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	var said struct {
		Choices []struct {
			Text   string `json:"text"`
			Finish string `json:"finish_reason"`
		} `json:"choices"`
		Usage struct {
			Input  uint64 `json:"prompt_tokens"`
			Output uint64 `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&said); err != nil || len(said.Choices) == 0 {
		return reply{}, fmt.Errorf("read answer: %w", err)
	}
	out := reply{Text: said.Choices[0].Text, Finish: said.Choices[0].Finish, Input: said.Usage.Input, Output: said.Usage.Output}
	return d.describe(ctx, t, q, resp.Header, out), nil
}

// describe adds who answered, for what price, with which receipt.
func (d *Desk) describe(ctx context.Context, t *till, q question, h http.Header, out reply) reply {
	out.Vault, out.Assurance = h.Get(proxy.HeaderVault), h.Get(proxy.HeaderAssurance)
	if terms, ok := d.termsOf(ctx, q.Model); ok {
		out.Weights = page.Weights(terms.Weights)
		out.Price, out.PriceKnown = priceOf(terms, out.Input, out.Output)
	}
	if r := t.last(); len(r.Signature) > 0 {
		out.Receipt, out.Signed, out.ReceiptKnown = r.Receipt, fmt.Sprintf("%x", r.Signature), true
	}
	return out
}

// termsOf is what the programme says of answers of a model.
func (d *Desk) termsOf(ctx context.Context, model string) (program.Inference, bool) {
	state, err := d.cfg.Ledger.State(ctx)
	if err != nil {
		return program.Inference{}, false
	}
	spec, err := program.Specs.Get(state)
	if err != nil {
		return program.Inference{}, false
	}
	for _, rung := range spec.Rungs {
		if rung.Name == model {
			return rung.Inference, true
		}
	}
	return program.Inference{}, false
}

// priceOf is what the programme charges for an answer.
func priceOf(terms program.Inference, input, output uint64) (crescendo.Amount, bool) {
	in, err := inference.Price(terms.InputPrice, input)
	if err != nil {
		return 0, false
	}
	out, err := inference.Price(terms.OutputPrice, output)
	if err != nil {
		return 0, false
	}
	sum, err := in.Add(out)
	return sum, err == nil
}

// playStream passes an answer on as it comes: server-sent events with the
// text, then one with everything else.
func (d *Desk) playStream(w http.ResponseWriter, r *http.Request, v visit) {
	q, err := readQuestion(r)
	if err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	t, err := d.play.of(ctx, v.wallet)
	if err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	resp, err := t.post(ctx, q, true)
	if err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	var out reply
	failed, err := relayEvents(resp.Body, w, &out)
	switch {
	case err != nil:
		d.cfg.Log.Info("playground stream ended early", "error", err)
		sendEvent(w, "error", map[string]string{"error": "the answer was cut off", "hint": "ask again"})
	case failed != "":
		sendEvent(w, "error", map[string]string{"error": failed, "hint": "ask again"})
	default:
		sendEvent(w, "done", doneJSON(d.describe(ctx, t, q, resp.Header, out)))
	}
}

// relayEvents reads a proxy's stream and sends its text on.
func relayEvents(from io.Reader, w http.ResponseWriter, out *reply) (failed string, err error) {
	lines := bufio.NewScanner(io.LimitReader(from, maxAnswer))
	lines.Buffer(make([]byte, 0, 16<<10), 64<<10)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			return "", nil
		}
		var said struct {
			Choices []struct {
				Text   string `json:"text"`
				Finish string `json:"finish_reason"`
			} `json:"choices"`
			Usage *struct {
				Input  uint64 `json:"prompt_tokens"`
				Output uint64 `json:"completion_tokens"`
			} `json:"usage"`
			Error *struct{ Message string } `json:"error"`
		}
		if err := json.Unmarshal([]byte(data), &said); err != nil {
			return "", fmt.Errorf("read stream: %w", err)
		}
		if said.Error != nil {
			return said.Error.Message, nil
		}
		if said.Usage != nil {
			out.Input, out.Output = said.Usage.Input, said.Usage.Output
		}
		for _, c := range said.Choices {
			if c.Finish != "" {
				out.Finish = c.Finish
			}
			if c.Text == "" {
				continue
			}
			if err := sendEvent(w, "text", map[string]string{"text": c.Text}); err != nil {
				return "", err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read stream: %w", err)
	}
	return "", io.ErrUnexpectedEOF
}

func sendEvent(w http.ResponseWriter, kind string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("send event: %w", err)
	}
	if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, raw); err != nil {
		return fmt.Errorf("send event: %w", err)
	}
	return http.NewResponseController(w).Flush()
}

func doneJSON(r reply) map[string]string {
	lines := map[string]string{}
	for _, f := range replyFacts(r) {
		lines[f.Name] = f.Value
	}
	return lines
}
