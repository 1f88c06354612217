package cosmos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

func blockHash(t *testing.T, raw []byte) []byte {
	t.Helper()
	return decodeBlock(t, raw).Signed.Header.Hash()
}

// nodeForReading is a node with a raise and a contribution.
func nodeForReading(t *testing.T) (*app.Node, *client.Client) {
	t.Helper()
	home := t.TempDir()
	if err := app.Init(home, genesis()); err != nil {
		t.Fatal(err)
	}
	n := start(t, app.NodeConfig{Home: home, BlockTime: 50 * time.Millisecond, GRPC: "127.0.0.1:0", REST: "127.0.0.1:0",
		CORS: []string{"https://explorer.example"}})
	l := dial(t, n)
	openRaise(t, l)
	for i := range 4 {
		submit(t, l, person(i), contribute(i, 100))
	}
	return n, l
}

func TestHostileInputs(t *testing.T) {
	n, l := nodeForReading(t)
	t.Run("MalformedTransactions", func(t *testing.T) { malformedTransactions(t, n, l) })
	t.Run("LyingNode", func(t *testing.T) { lyingNode(t, n) })
	t.Run("WrongChain", func(t *testing.T) {
		_, err := client.Dial(context.Background(), "http://"+n.RPC, client.Options{ChainID: "another"})
		if !errors.Is(err, ledger.ErrWrongChain) {
			t.Errorf("got %v, want ErrWrongChain", err)
		}
	})
	t.Run("BlocksVerify", func(t *testing.T) { blocksVerify(t, l) })
	t.Run("LightAgreesWithComet", func(t *testing.T) { lightAgreesWithComet(t, n, l) })
	t.Run("ReplayedTransaction", func(t *testing.T) { replayedTransaction(t, n, l) })
	t.Run("TwoClientsOneKey", func(t *testing.T) { twoClientsOneKey(t, l, dial(t, n)) })
	t.Run("ReplayRemote", func(t *testing.T) { replayRemote(t, n, l) })
	t.Run("StandardAPIs", func(t *testing.T) { standardAPIs(t, n) })
}

// malformedTransactions are refused, the chain goes on.
func malformedTransactions(t *testing.T, n *app.Node, l *client.Client) {
	key := person(7)
	good := wire.Draft{
		ChainID: genesis().ChainID, PublicKey: key.PublicKey(), Messages: []crescendo.Message{contribute(7, 1)},
	}
	signature, err := key.Sign(good.SignDocument())
	if err != nil {
		t.Fatal(err)
	}
	raw := good.Encode(signature)
	// The same message with an explicit zero: what no canonical encoder writes.
	padded := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 0)
	for name, tx := range map[string][]byte{
		"empty":         {},
		"noise":         []byte("not a transaction"),
		"cut short":     raw[:len(raw)/2],
		"unsigned":      good.Encode(nil),
		"unknown field": append(bytes.Clone(raw), padded...),
		"not canonical": nonCanonical(good, signature),
		"huge":          bytes.Repeat([]byte{0x0a}, 2<<20),
	} {
		if code, log := broadcast(t, n, tx); code == 0 {
			t.Errorf("%s: accepted", name)
		} else {
			t.Logf("%s: %s", name, strings.SplitN(log, "\n", 2)[0])
		}
	}
	submit(t, l, person(0), contribute(0, 1))
}

// replayedTransaction sends the bytes of an included transaction once more.
func replayedTransaction(t *testing.T, n *app.Node, l *client.Client) {
	result, err := l.Submit(context.Background(), person(0), contribute(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	block := decodeBlock(t, read(t, l, result.Height))
	before, err := l.Balance(context.Background(), person(0).Account())
	if err != nil {
		t.Fatal(err)
	}
	for _, tx := range block.Txs {
		if code, log := broadcast(t, n, tx); code == 0 {
			t.Errorf("accepted again: %s", log)
		}
	}
	submit(t, l, person(1), contribute(1, 1)) // a block later
	if after, err := l.Balance(context.Background(), person(0).Account()); err != nil || after != before {
		t.Errorf("the balance went from %d to %d (%v)", before, after, err)
	}
}

// nonCanonical is the draft with a message that says its rung in two bytes
// where one is enough.
func nonCanonical(d wire.Draft, signature []byte) []byte {
	raw := d.Encode(signature)
	short := []byte{0x10, 0x01, 0x18, 0x01}      // rung 1, amount 1
	long := []byte{0x10, 0x81, 0x00, 0x18, 0x01} // the same, padded
	i := bytes.Index(raw, short)
	out := append(bytes.Clone(raw[:i]), long...)
	out = append(out, raw[i+len(short):]...)
	for _, at := range lengthsBefore(raw, i) {
		out[at]++
	}
	return out
}

// lengthsBefore finds the one-byte lengths of the fields that enclose an
// offset in a transaction: body, Any, value.
func lengthsBefore(raw []byte, offset int) []int {
	var at []int
	for pos := 0; pos < offset && len(at) < 3; pos++ {
		if raw[pos] != 0x0a && raw[pos] != 0x12 {
			continue
		}
		n, size := protowire.ConsumeVarint(raw[pos+1:])
		end := pos + 1 + size + int(n)
		if size == 1 && pos+2 <= offset && end >= offset+4 {
			at = append(at, pos+1)
		} else if size == 2 && end >= offset+4 {
			at = append(at, pos+1) // the low seven bits come first
			pos++
		}
	}
	return at
}

func broadcast(t *testing.T, n *app.Node, tx []byte) (code uint32, log string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_sync", "params": map[string]any{"tx": tx}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+n.RPC, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Result struct {
			Code uint32 `json:"code"`
			Log  string `json:"log"`
		} `json:"result"`
		Error *struct {
			Data string `json:"data"`
		} `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error != nil {
		return 1, answer.Error.Data
	}
	return answer.Result.Code, answer.Result.Log
}

// lyingNode alters what a node answers; the client must notice.
func lyingNode(t *testing.T, n *app.Node) {
	for name, lie := range map[string]func(method string, body []byte) []byte{
		"value": func(method string, body []byte) []byte {
			if method != "abci_query" {
				return body
			}
			return bytes.Replace(body, []byte(`"value":"AQ`), []byte(`"value":"AR`), 1)
		},
		"absent": func(method string, body []byte) []byte {
			if method != "abci_query" || !bytes.Contains(body, []byte("proofOps")) {
				return body
			}
			i := bytes.Index(body, []byte(`"value":"`)) + len(`"value":"`)
			j := bytes.IndexByte(body[i:], '"')
			return append(bytes.Clone(body[:i]), body[i+j:]...)
		},
		"header": func(method string, body []byte) []byte {
			if method != "commit" {
				return body
			}
			return bytes.Replace(body, []byte(`"app_hash":"`), []byte(`"app_hash":"00`), 1)
		},
		"votes": func(method string, body []byte) []byte {
			if method != "commit" {
				return body
			}
			return bytes.Replace(body, []byte(`"block_id_flag":2`), []byte(`"block_id_flag":3`), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { forward(t, n, lie, w, r) }))
			defer proxy.Close()
			l, err := client.Dial(context.Background(), proxy.URL, client.Options{ChainID: genesis().ChainID})
			if err == nil {
				var state ledger.State
				if state, err = l.State(context.Background()); err == nil {
					_, err = program.Specs.Get(state)
				}
			}
			if !errors.Is(err, ledger.ErrProof) || errors.Is(err, kv.ErrNotFound) {
				t.Errorf("got %v, want ErrProof", err)
			}
		})
	}
}

func forward(t *testing.T, n *app.Node, lie func(string, []byte) []byte, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var call struct {
		Method string `json:"method"`
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &call); err != nil {
			t.Error(err)
		}
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+n.RPC+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	if _, err := w.Write(lie(call.Method, answer)); err != nil {
		t.Log(err) // the client has gone
	}
}

// twoClientsOneKey has two processes' worth of clients use one account at
// once: neither knows the other's sequence numbers, yet each submission is
// included once.
func twoClientsOneKey(t *testing.T, a, b *client.Client) {
	const each = 6
	before, err := a.Balance(context.Background(), person(6).Account())
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for _, l := range []*client.Client{a, b} {
		for range each {
			wait.Go(func() {
				if _, err := l.Submit(context.Background(), person(6), contribute(6, 1)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	for _, l := range []*client.Client{a, b} {
		if _, err := l.Head(context.Background()); err != nil {
			t.Fatal(err)
		}
		if after, err := l.Balance(context.Background(), person(6).Account()); err != nil || before-after != 2*each {
			t.Errorf("%d were spent (%v), want %d", before-after, err, 2*each)
		}
	}
}

func replayRemote(t *testing.T, n *app.Node, l *client.Client) {
	head, err := l.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	done, err := app.ReplayRemote(context.Background(), l, n.GenesisHash, head.Height, program.Rules{})
	if err != nil || done.Height != int64(head.Height) {
		t.Fatalf("replayed to %d of %d: %v", done.Height, head.Height, err)
	}
	next := decodeBlock(t, read(t, l, head.Height+1))
	if !bytes.Equal(next.Signed.Header.AppHash, done.AppHash) {
		t.Errorf("block %d says app hash %X, replay computed %X", head.Height+1, next.Signed.Header.AppHash, done.AppHash)
	}
	if _, err := app.ReplayRemote(context.Background(), l, "00", head.Height, program.Rules{}); err == nil {
		t.Error("a genesis with another hash was replayed")
	}
}

func standardAPIs(t *testing.T, n *app.Node) {
	for path, want := range map[string]string{
		"/cosmos/bank/v1beta1/supply":                                                             `"udemo"`,
		"/cosmos/auth/v1beta1/account_info/" + string(person(0).Account()):                        string(person(0).Account()),
		"/cosmos/base/tendermint/v1beta1/node_info":                                               genesis().ChainID,
		"/cosmos/staking/v1beta1/validators":                                                      "BOND_STATUS_BONDED",
		"/cosmos/tx/v1beta1/txs?query=message.action%3D%27/crescendo.funding.v1.MsgContribute%27": "crescendo.funding.v1.MsgContribute",
	} {
		resp, err := http.Get("http://" + n.REST + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v, %.300s; want %q in it", path, err, body, want)
		}
	}
	for _, base := range []string{"http://" + n.REST + "/cosmos/bank/v1beta1/supply", "http://" + n.RPC + "/status"} {
		for origin, want := range map[string]string{"https://explorer.example": "https://explorer.example", "https://elsewhere.example": "", "": ""} {
			req, err := http.NewRequest(http.MethodGet, base, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", origin)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %q: allowed %q, want %q", base, origin, got, want)
			}
		}
	}
}
