package relay_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/vault"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
)

// complete asks for a greedy completion of a fixed prompt.
func complete(t *testing.T, w *world, url string) string {
	t.Helper()
	c := openAI(url)
	text, err := c.Completions.New(t.Context(), openai.CompletionNewParams{
		Model: openai.CompletionNewParamsModel(w.spec.Rungs[0].Name), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Document 3 tells")},
		MaxTokens: openai.Int(10), Temperature: openai.Float(0),
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, w.tail())
	}
	return text.Choices[0].Text
}

// One byte of the binary is changed: it still runs, and gets nothing.
func TestChangedVaultIsRefused(t *testing.T) {
	binary, err := vaultBinary()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	w.allow(binary)
	w.startKeeper()
	image, err := os.ReadFile(binary)
	w.must(err)
	// A byte of a message that is printed only when the program is misused.
	at := bytes.Index(image, []byte("a vault is started by"))
	if at < 0 {
		t.Fatal("cannot find a harmless byte")
	}
	image[at] = 'A'
	changed := filepath.Join(w.dir, "changed-vault")
	w.must(os.WriteFile(changed, image, 0o755))
	r := w.startRelay(changed, "")
	w.until("the changed vault is refused", 20*time.Second, func() bool { return r.status().Refused != "" })
	if s := r.status(); !strings.Contains(s.Refused, "not in the policy") || s.Accepted {
		t.Errorf("status %+v", s)
	}
	time.Sleep(300 * time.Millisecond)
	state, err := w.chain.State(t.Context())
	w.must(err)
	if vaults, err := sealing.Vaults.List(state, nil, 10); err != nil || len(vaults) != 0 {
		t.Errorf("%d vaults are registered, %v", len(vaults), err)
	}
	if code, body := get(t, "http://"+r.status().Address+"/v1/vault"); code != 200 || !strings.Contains(body, `"accepted":false`) {
		t.Errorf("%d %s", code, body)
	}
}

// The vault is killed: the relay starts another, which asks the keepers for
// the key, and the client's proxy goes on with a new session.
func TestVaultKilled(t *testing.T) {
	w, r, _ := serving(t, nil)
	url, _ := w.startProxy(r.status().Address, nil)
	before := complete(t, w, url)
	old := r.status()
	w.must(syscall.Kill(old.VaultPID, syscall.SIGKILL))
	after := complete(t, w, url) // the proxy waits for the new vault
	if before != after {
		t.Errorf("another model after the restart: %q, %q", before, after)
	}
	now := r.status()
	if now.VaultPID == old.VaultPID || now.Vault == old.Vault {
		t.Error("the vault is still the old one")
	}
	w.until("the old session is settled and closed", 20*time.Second, func() bool { return w.session(1).Closed })
	if s := w.session(1); s.Requests != 1 || s.Output == 0 {
		t.Errorf("old session %+v", s)
	}
	w.until("the new session is settled", 20*time.Second, func() bool { return w.session(2).Requests == 1 })
}

// The relay is stopped before it has settled; another one finds the receipts
// on disk.
func TestReceiptsOutliveTheRelay(t *testing.T) {
	w, r, binary := serving(t, nil)
	url, stopProxy := w.startProxy(r.status().Address, nil)
	complete(t, w, url)
	stopProxy()
	address := r.status().Address
	r.stop()
	again := w.startRelay(binary, address)
	w.until("rung 1 is served again", 30*time.Second, func() bool { return len(again.status().Serving) == 1 })
	w.until("session is settled and closed", 20*time.Second, func() bool { return w.session(1).Closed })
	if s := w.session(1); s.Requests != 1 || s.Output == 0 || s.Settled == 0 {
		t.Errorf("session %+v", s)
	}
	if files, err := os.ReadDir(filepath.Join(w.dir, "relay", "receipts")); err != nil || len(files) != 0 {
		w.until("receipts are forgotten", 5*time.Second, func() bool {
			files, _ := os.ReadDir(filepath.Join(w.dir, "relay", "receipts"))
			return len(files) == 0
		})
	}
}

// slow is a model large enough that an answer takes a while.
func slow(s *program.Spec) {
	r := &s.Rungs[0]
	r.Model = program.Model{Dim: 192, Layers: 4, Heads: 6, KVHeads: 6, FFN: 512, Context: 512, Tied: true}
	r.Training.Sequences = 1
	r.Sealing.FinalSteps = 1
	s.Evaluation.Sequences = 1
}

// A client hangs up in the middle: it pays for what it got.
func TestInterruptedStreamSettlesWhatWasDelivered(t *testing.T) {
	w, r, _ := serving(t, slow)
	url, _ := w.startProxy(r.status().Address, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := openAI(url)
	stream := c.Completions.NewStreaming(ctx, openai.CompletionNewParams{
		Model: openai.CompletionNewParamsModel(w.spec.Rungs[0].Name), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("x")},
		MaxTokens: openai.Int(500),
	})
	got := 0
	for stream.Next() {
		if got++; got == 2 {
			cancel()
			break
		}
	}
	stream.Close()
	w.until("the interrupted request is settled", 20*time.Second, func() bool { return w.session(1).Requests == 1 })
	s := w.session(1)
	t.Logf("%d chunks received, %d tokens settled for %d", got, s.Output, s.Settled)
	if s.Output == 0 || s.Output >= 450 {
		t.Errorf("settled %d tokens", s.Output)
	}
	complete(t, w, url) // the session goes on
	w.until("the next request is settled", 20*time.Second, func() bool { return w.session(1).Requests == 2 })
}

// attacker speaks the sealed protocol itself.
type attacker struct {
	w       *world
	relay   string
	binding prompt.Binding
	sealKey []byte
	key     ed25519.PrivateKey
	session uint64
}

func (w *world) attacker(r *runningRelay) *attacker {
	w.t.Helper()
	state, err := w.chain.State(w.t.Context())
	w.must(err)
	vault := r.status().Vault
	record, err := sealing.Vaults.Get(state, vault[:])
	w.must(err)
	public, private, err := ed25519.GenerateKey(nil)
	w.must(err)
	result, err := w.chain.Submit(w.t.Context(), w.client, &inference.MsgOpen{
		Sender: w.client.Account(), Rung: 1, Vault: vault, Escrow: 1_000_000, Key: public})
	w.must(err)
	a := &attacker{w: w, relay: "http://" + r.status().Address, sealKey: record.SealKey, key: private,
		binding: prompt.Binding{Chain: chainID, Rung: 1, Vault: vault}}
	for _, e := range result.Events {
		if e.Kind == "inference.opened" {
			a.session, err = strconv.ParseUint(e.Get("session"), 10, 64)
			w.must(err)
		}
	}
	return a
}

func (a *attacker) post(body []byte, kind string) (int, []byte) {
	resp, err := http.Post(a.relay+"/v1/sealed", kind, bytes.NewReader(body))
	a.w.must(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	a.w.must(err)
	return resp.StatusCode, raw
}

// send sends a request and returns the last event of the answer.
func (a *attacker) send(envelope []byte, o *prompt.Opener) prompt.Event {
	a.w.t.Helper()
	code, raw := a.post(envelope, prompt.ContentType)
	if code != 200 {
		a.w.t.Fatalf("status %d: %s", code, raw)
	}
	var last prompt.Event
	a.w.must(o.Read(bytes.NewReader(raw), func(e prompt.Event) error { last = e; return nil }))
	return last
}

func (a *attacker) request(counter uint64) prompt.Request {
	return prompt.Request{Session: a.session, Counter: counter, Prompt: "the sea", MaxTokens: 3}
}

func (a *attacker) seal(r prompt.Request) ([]byte, *prompt.Opener) {
	a.w.t.Helper()
	envelope, o, err := prompt.Seal(a.binding, a.sealKey, r)
	a.w.must(err)
	return envelope, o
}

func TestRequestsAreNeitherForgedNorReplayed(t *testing.T) {
	w, r, _ := serving(t, nil)
	a := w.attacker(r)
	good := a.request(1)
	good.Sign(a.binding, a.key)
	envelope, o := a.seal(good)
	if e := a.send(envelope, o); e.Failure.Code != "" || e.Output != 3 || e.Receipt.Receipt.Sequence != 1 {
		t.Fatalf("good request: %+v", e)
	}
	// The relay sends the same envelope again; it cannot even read the answer,
	// so the test reads it with a second opener of the same exchange.
	replay := good
	envelope, o = a.seal(replay)
	if e := a.send(envelope, o); e.Failure.Code != prompt.FailSession || !strings.Contains(e.Failure.Text, "replay") {
		t.Errorf("replay: %+v", e.Failure)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	w.must(err)
	forged := a.request(2)
	forged.Sign(a.binding, stranger)
	envelope, o = a.seal(forged)
	if e := a.send(envelope, o); e.Failure.Code != prompt.FailSession || !strings.Contains(e.Failure.Text, "not signed") {
		t.Errorf("forged: %+v", e.Failure)
	}
	nobody := a.request(2)
	nobody.Session = 99
	nobody.Sign(a.binding, a.key)
	envelope, o = a.seal(nobody)
	if e := a.send(envelope, o); e.Failure.Code != prompt.FailSession {
		t.Errorf("no such session: %+v", e.Failure)
	}
	long := a.request(2)
	long.Prompt = strings.Repeat("0123456789", 50)
	long.Sign(a.binding, a.key)
	envelope, o = a.seal(long)
	if e := a.send(envelope, o); e.Failure.Code != prompt.FailContext || e.Receipt.Receipt.Sequence != 0 {
		t.Errorf("over-length: %+v", e)
	}
	// What failed was free, and the session goes on.
	next := a.request(3)
	next.Sign(a.binding, a.key)
	envelope, o = a.seal(next)
	if e := a.send(envelope, o); e.Failure.Code != "" || e.Receipt.Receipt.Requests != 2 {
		t.Errorf("next request: %+v", e)
	}
}

func TestEscrowBoundsAnswers(t *testing.T) {
	w, r, _ := serving(t, func(s *program.Spec) { s.Rungs[0].Inference.OutputPrice = 50_000_000 })
	a := w.attacker(r) // an escrow of 1,000,000: 19 tokens and the prompt
	long := a.request(1)
	long.MaxTokens = 80
	long.Sign(a.binding, a.key)
	envelope, o := a.seal(long)
	e := a.send(envelope, o)
	if e.Failure.Code != "" || e.Output > 19 || e.Receipt.Receipt.Charged > 1_000_000 {
		t.Fatalf("answer %+v", e)
	}
	for counter := uint64(2); counter < 30 && e.Failure.Code == ""; counter++ {
		more := a.request(counter)
		more.Sign(a.binding, a.key)
		envelope, o = a.seal(more)
		e = a.send(envelope, o)
	}
	if e.Failure.Code != prompt.FailFunds {
		t.Errorf("spent escrow: %+v", e.Failure)
	}
}

func TestRelayRefusesWhatIsNotSealed(t *testing.T) {
	w, r, _ := serving(t, nil)
	a := w.attacker(r)
	plain := []byte(`{"model":"x","messages":[{"role":"user","content":"secret plan"}]}`)
	if code, body := a.post(plain, "application/json"); code != http.StatusUnsupportedMediaType || !bytes.Contains(body, []byte("in the clear")) {
		t.Errorf("JSON: %d %s", code, body)
	}
	if code, body := a.post(plain, prompt.ContentType); code != 400 {
		t.Errorf("JSON under a false name: %d %s", code, body)
	}
	if code, _ := a.post(make([]byte, prompt.MaxEnvelope+1), prompt.ContentType); code != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", code)
	}
	req := a.request(1)
	req.Sign(a.binding, a.key)
	envelope, _ := a.seal(req)
	envelope[len(envelope)-1] ^= 1
	if code, body := a.post(envelope, prompt.ContentType); code != 400 {
		t.Errorf("altered: %d %s", code, body)
	}
	a.binding.Vault = crescendo.Hash{1}
	envelope, _ = a.seal(req)
	if code, body := a.post(envelope, prompt.ContentType); code != http.StatusGone {
		t.Errorf("another vault: %d %s", code, body)
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/completions"} {
		resp, err := http.Post(a.relay+path, "application/json", bytes.NewReader(plain))
		w.must(err)
		resp.Body.Close()
		if resp.StatusCode != 404 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	if strings.Contains(w.logs.String(), "secret plan") {
		t.Error("a refused prompt stands in a log")
	}
}

// Once the policy says so, a keeper publishes the key and anybody can read the
// weights, which are not those of the last public checkpoint.
func TestOpenedWeights(t *testing.T) {
	w, _, _ := serving(t, func(s *program.Spec) { s.Rungs[0].Sealing.OpenBlocks = 20 })
	w.until("the key is published", 30*time.Second, func() bool { return len(w.seal().Key) > 0 })
	seal := w.seal()
	key, err := keyshare.KeyFromBytes(seal.Key)
	w.must(err)
	raw, err := w.blobs.Get(t.Context(), seal.Container, 1<<30)
	w.must(err)
	params := make([]float32, w.plan.Shape.Parameters())
	header := container.Header{Chain: chainID, Rung: 1, Seal: 1, Base: seal.Base}
	w.must(vault.ReadWeights(bytes.NewReader(raw), int64(len(raw)), key, header, params))
	same := 0
	for i := range params {
		if params[i] == w.checkpoint[i] {
			same++
		}
	}
	if same > len(params)/2 {
		t.Errorf("%d of %d weights are those of the public checkpoint", same, len(params))
	}
	header.Rung = 2
	if err := vault.ReadWeights(bytes.NewReader(raw), int64(len(raw)), key, header, params); !errors.Is(err, container.ErrCorrupt) {
		t.Errorf("taken for another rung: %v", err)
	}
}

// The organiser denies the measurement: nobody may open sessions with the
// vault any more, and after a restart it gets no key.
func TestDeniedMeasurement(t *testing.T) {
	w, r, binary := serving(t, nil)
	measurement, err := sim.Measure(binary)
	w.must(err)
	_, err = w.chain.Submit(t.Context(), w.organiser, &sealing.MsgAllow{Sender: w.organiser.Account(), Measurement: measurement, Deny: true})
	w.must(err)
	vault := r.status().Vault
	_, err = w.chain.Submit(t.Context(), w.client, &inference.MsgOpen{
		Sender: w.client.Account(), Rung: 1, Vault: vault, Escrow: 1000, Key: make([]byte, ed25519.PublicKeySize)})
	if crescendo.CodeOf(err) != crescendo.CodeForbidden {
		t.Errorf("open session with a denied vault: %v", err)
	}
	url, _ := w.startProxy(r.status().Address, nil)
	if code, body := get(t, url+"models"); code != http.StatusServiceUnavailable || !strings.Contains(body, "denied") {
		t.Errorf("models: %d %s", code, body)
	}
	w.must(syscall.Kill(r.status().VaultPID, syscall.SIGKILL))
	w.until("the restarted vault is refused", 20*time.Second, func() bool { return strings.Contains(r.status().Refused, "denied") })
	if s := r.status(); s.Accepted || len(s.Serving) != 0 {
		t.Errorf("status %+v", s)
	}
}
