package up_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/internal/leak"
	"github.com/crescendo-network/crescendo/node/up"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/vault"
	"github.com/crescendo-network/crescendo/role/vault/template"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

const holdEnv = "CRESCENDO_TEST_HOLD"

// A process with this variable holds what it reads in memory until its input
// ends: something for the search to find.
func init() {
	if os.Getenv(holdEnv) == "" {
		return
	}
	held := make([]byte, 16)
	if _, err := io.ReadFull(os.Stdin, held); err != nil {
		os.Exit(1)
	}
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(int(held[0] & 0))
}

// TestSecretsOfARunStayInTheVault looks for the sealed weights, for the key
// that seals them and for a client's prompt on the disk and in the memory of
// every process of a run, after a vault has got the key from a keeper and
// served with it.
func TestSecretsOfARunStayInTheVault(t *testing.T) {
	s := serve(t, "1500000000")
	first := s.pid("vault")
	s.must(syscall.Kill(first, syscall.SIGKILL)) // the next one needs a keeper
	var random [12]byte
	rand.Read(random[:])
	secret := "canary " + hex.EncodeToString(random[:])
	served, err := s.ask(t.Context(), secret, 24, 0)
	s.must(err)
	if now := s.pid("vault"); now == first || now == 0 {
		t.Fatalf("vault %d after %d was killed", now, first)
	}
	w := s.weights()
	w.compare(t, s, secret, served.text)

	needles, err := leak.Windows(w.sealed, w.public, 16)
	s.must(err)
	window := needles[slices.Sorted(maps.Keys(needles))[0]]
	needles["prompt"] = []byte(secret)
	needles["prompt in hex"] = random[:]
	tokens, err := template.Tokens(w.tokens, &prompt.Request{Prompt: secret})
	s.must(err)
	packed, err := binary.Append(nil, binary.LittleEndian, tokens[1:11])
	s.must(err)
	needles["prompt's tokens"] = packed
	needles["key"] = w.key
	search, err := leak.NewSearch(needles)
	s.must(err)

	// The positive control: a file and a process that hold a window.
	planted := s.home.Path("planted")
	s.must(os.WriteFile(planted, append([]byte("x"), window...), 0o600))
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holdEnv+"=1")
	stdin, err := holder.StdinPipe()
	s.must(err)
	stdout, err := holder.StdoutPipe()
	s.must(err)
	s.must(holder.Start())
	t.Cleanup(func() { stdin.Close(); holder.Wait() })
	_, err = stdin.Write(window)
	s.must(err)
	_, err = io.ReadFull(stdout, make([]byte, 4))
	s.must(err)

	began := time.Now()
	s.must(search.Files(s.home.Dir))
	_, err = search.Process("holder", holder.Process.Pid)
	s.must(err)
	read, vaultRead := s.searchProcesses(search)
	t.Logf("searched the home and %d MiB of memory for %d needles in %v", read>>20, len(needles), time.Since(began).Round(time.Millisecond))

	if got := search.Found.Places("weights"); !slices.Contains(got, planted) || !slices.Contains(got, "holder") {
		t.Fatalf("the search misses what was planted: %v", got)
	}
	for name, places := range search.Found {
		for _, place := range places {
			if place != planted && place != "holder" && place != "vault" {
				t.Errorf("%s found in %s", name, place)
			}
		}
	}
	if got := search.Found.Places("weights f32"); vaultRead && !slices.Contains(got, "vault") {
		t.Errorf("the search misses the weights in the vault itself: %v", got)
	}
}

// searchProcesses searches every process of run.json. The vault is one whose
// memory only the superuser can read: its weights there are a control as well.
func (s *served) searchProcesses(search *leak.Search) (read int64, vault bool) {
	s.t.Helper()
	var run up.RunFile
	s.must(s.home.ReadJSON("run.json", &run))
	roles := map[string]int{}
	for _, p := range run.Processes {
		place := p.Name
		if p.Role == "vault" {
			place = "vault"
		}
		n, err := search.Process(place, p.PID)
		if p.Role == "vault" && err != nil {
			s.t.Logf("the vault keeps its memory to itself: %v", err)
			continue
		}
		s.must(err)
		read += n
		roles[p.Role]++
	}
	for _, role := range []string{"ledger", "archive", "evaluator", "keeper", "relay", "client", "up"} {
		if roles[role] == 0 {
			s.t.Errorf("no %s among the searched processes %v", role, roles)
		}
	}
	return read, roles["vault"] > 0
}

// weights are a rung's weights, sealed and public, as only this test has both.
type weights struct {
	plan           outer.Plan
	sealed, public []float32
	tokens         *tokenizer.Tokenizer
	key            []byte
}

// weights takes the key from the keeper's own file.
func (s *served) weights() weights {
	s.t.Helper()
	ctx, state := s.t.Context(), s.state()
	spec, err := program.Specs.Get(state)
	s.must(err)
	seal, err := sealing.Seals.Get(state, uint32(1))
	s.must(err)
	run, err := training.Runs.Get(state, uint32(1))
	s.must(err)
	var w weights
	w.plan, err = outer.PlanOf(spec, 1)
	s.must(err)
	raw, err := os.ReadFile(s.home.Path("seats", "keeper", "keeper.key"))
	s.must(err)
	id, err := keyshare.ParseIdentity(raw)
	s.must(err)
	topic := keyshare.Topic{Chain: s.conn.Ledger.ChainID(), Rung: 1, Version: seal.Version, KeyCheck: seal.KeyCheck}
	key, err := keyshare.Open(id, topic, seal.Shares[0].Keeper, seal.Shares[0].Sealed)
	s.must(err)
	w.key = bytes.Clone(key.Bytes())
	raw, err = s.conn.Blobs.Get(ctx, seal.Container, 1<<30)
	s.must(err)
	w.sealed = make([]float32, w.plan.Shape.Parameters())
	header := container.Header{Chain: topic.Chain, Rung: 1, Seal: seal.Version, Base: seal.Base}
	s.must(vault.ReadWeights(bytes.NewReader(raw), int64(len(raw)), key, header, w.sealed))
	raw, err = s.conn.Blobs.Get(ctx, run.Final, 1<<30)
	s.must(err)
	checkpoint, err := outer.DecodeCheckpoint(w.plan.Shape, raw)
	s.must(err)
	w.public = checkpoint.Values
	raw, err = s.conn.Blobs.Get(ctx, seal.Manifest, 1<<20)
	s.must(err)
	manifest, err := container.ParseManifest(raw)
	s.must(err)
	raw, err = s.conn.Blobs.Get(ctx, manifest.Tokenizer, 1<<26)
	s.must(err)
	w.tokens, err = tokenizer.Load(raw)
	s.must(err)
	return w
}

// answer computes here what a model with the parameters says, greedily if the
// seed is zero; first are the logits after the prompt.
func (w weights) answer(t *testing.T, params []float32, text string, limit int, seed uint64) (said string, first []float32) {
	t.Helper()
	m, err := native.New(1).New(w.plan.Shape)
	if err != nil {
		t.Fatal(err)
	}
	copy(m.Params(), params)
	input, err := template.Tokens(w.tokens, &prompt.Request{Prompt: text})
	if err != nil {
		t.Fatal(err)
	}
	session, err := m.Session(len(input) + limit)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	logits, err := session.Feed(input)
	if err != nil {
		t.Fatal(err)
	}
	first = slices.Clone(logits)
	stream, rng := w.tokens.NewStream(), engine.NewSplitMix(seed)
	var out strings.Builder
	for range limit {
		id := engine.Sample(logits, float32(min(seed, 1)), 1, rng)
		if tokenizer.Stops(id) {
			break
		}
		out.Write(stream.Push(id))
		if logits, err = session.Feed([]int32{id}); err != nil {
			break // the context is full
		}
	}
	out.Write(stream.Flush())
	encoded, err := json.Marshal(out.String()) // broken characters go the way of the API's
	if err == nil {
		err = json.Unmarshal(encoded, &said)
	}
	if err != nil {
		t.Fatal(err)
	}
	return said, first
}

// compare checks that what is served is the sealed model and not the last
// public checkpoint.
func (w weights) compare(t *testing.T, s *served, secret, got string) {
	t.Helper()
	if want, _ := w.answer(t, w.sealed, secret, 24, 0); got != want {
		t.Errorf("served %q, the sealed weights answer %q", got, want)
	}
	differ := 0
	for i, text := range []string{"func main() {", "// Package ", "import (", "return ", "the ", "if err"} {
		seed := uint64(i % 2 * i)
		served, err := s.ask(t.Context(), text, 64, seed)
		s.must(err)
		want, sealed := w.answer(t, w.sealed, text, 64, seed)
		other, public := w.answer(t, w.public, text, 64, seed)
		if served.text != want {
			t.Errorf("%q: served %q, the sealed weights answer %q", text, served.text, want)
		}
		if slices.Equal(sealed, public) {
			t.Errorf("%q: the logits are those of the last public checkpoint", text)
		}
		if served.text != other {
			differ++
		}
	}
	t.Logf("%d of 6 answers differ from the last public checkpoint's", differ)
	if differ == 0 {
		t.Error("every answer served is one that the last public checkpoint gives too")
	}
}
