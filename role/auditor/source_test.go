package auditor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob/file"
	"github.com/crescendo-network/crescendo/role/archive"
)

// homeOf lays a recording out as `crescendo up` leaves it behind.
func homeOf(t *testing.T, r *recording) string {
	t.Helper()
	dir := t.TempDir()
	a := archiveOf(t, r.blobs, r.blocks)
	store, err := file.Open(filepath.Join(dir, "archive", "blobs"), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for h, err := range a.List(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		data, err := a.Get(context.Background(), h, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Put(context.Background(), data); err != nil {
			t.Fatal(err)
		}
	}
	var index strings.Builder
	for _, name := range a.names {
		index.WriteString(name.String() + "\n")
	}
	config := filepath.Join(dir, "ledger", "config")
	if err := os.MkdirAll(config, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string]string{
		filepath.Join(config, "genesis.json"):         string(r.genesis),
		filepath.Join(dir, "archive", "blocks.index"): index.String() + "0123", // a line that is being written
	} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAtHome(t *testing.T) {
	r := recorded(t)
	dir := homeOf(t, r)
	c, err := AtHome(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Rules = rules()
	if report := audited(t, c); report.Failed != 0 || len(report.Unverifiable) != 0 || report.Height != crescendo.Height(len(r.blocks)) {
		t.Errorf("%+v\n%s", report.ByClass, report.names())
	}
	index := filepath.Join(dir, "archive", "blocks.index")
	data, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]string{0: "block 1 (blob ", 65*4 + 64: "block 6 (blob "} { // a digit; the end of line 5, which then swallows line 6
		damaged := []byte(string(data))
		damaged[at] = 'x'
		if err := os.WriteFile(index, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if report := audited(t, c); !strings.Contains(report.names(), want) {
			t.Errorf("byte %d of the index was changed: want %q among\n%s", at, want, report.names())
		}
	}
	if _, err := AtHome(t.TempDir()); crescendo.CodeOf(err) != crescendo.CodeNotFound {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestBlockNames(t *testing.T) {
	var all []crescendo.Hash
	for i := range 2500 {
		all = append(all, crescendo.Hash{byte(i), byte(i >> 8), 1})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		if r.URL.Path != "/v1/blocks" || from < 1 {
			http.NotFound(w, r)
			return
		}
		rest := all[from-1:]
		json.NewEncoder(w).Encode(archive.Blocks{From: crescendo.Height(from), Blobs: rest[:min(1000, len(rest))], Last: crescendo.Height(len(all))})
	}))
	defer server.Close()
	names, err := blockNames(context.Background(), server.URL)
	if err != nil || len(names) != len(all) || names[2499] != all[2499] {
		t.Errorf("%d names, %v", len(names), err)
	}
	if _, err := blockNames(context.Background(), server.URL+"/elsewhere"); crescendo.CodeOf(err) != crescendo.CodeNotFound {
		t.Errorf("another address: %v", err)
	}
}

func FuzzParseGenesis(f *testing.F) {
	r, err := record()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.genesis)
	f.Add([]byte(`{"chain_id":"x","app_state":{"staking":{"validators":[{"tokens":"-1"}]}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := ParseGenesis(raw)
		if err != nil {
			return
		}
		newExecution(g, rules())
		newChain(g)
	})
}

func TestNaturalOrder(t *testing.T) {
	for _, x := range [][2]string{{"block 2", "block 10"}, {"a 1 b 9", "a 1 b 10"}, {"round 3", "window 1"}, {"x", "x 1"}, {"9", "09a"}} {
		if natural(x[0], x[1]) >= 0 || natural(x[1], x[0]) <= 0 || natural(x[0], x[0]) != 0 {
			t.Errorf("%q does not come before %q", x[0], x[1])
		}
	}
}
