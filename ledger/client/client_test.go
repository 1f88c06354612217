package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
)

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(context.Background(), "http://"+addr, Options{}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Dial(ctx, "http://"+addr, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}

// Whatever answers, the client returns an error and does not panic.
func TestNoLedgerAtTheAddress(t *testing.T) {
	for _, answer := range []string{
		"", "<html>", "{}", `{"result":null}`, `{"result":[]}`, `{"error":{"code":-32601,"message":"no such method"}}`,
		`{"result":{"node_info":{"network":"c"}}}`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, answer)
		}))
		ctx, cancel := context.WithTimeout(context.Background(), 0)
		if _, err := Dial(ctx, server.URL, Options{ChainID: "c"}); err == nil {
			t.Errorf("%s: dialled", answer)
		}
		cancel()
		if _, err := Dial(context.Background(), server.URL, Options{ChainID: "other"}); err == nil {
			t.Errorf("%s: dialled another chain", answer)
		}
		server.Close()
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := LoadKey(path)
	if err != nil || again.Account() != k.Account() {
		t.Fatalf("loaded %v, %v", again, err)
	}
	document := []byte("document")
	a, _ := k.Sign(document)
	b, _ := again.Sign(document)
	if len(a) != 64 || !bytes.Equal(a, b) || len(k.PublicKey()) != 33 {
		t.Errorf("signatures %x and %x", a, b)
	}
	if err := k.Save(path); err == nil {
		t.Error("a key file was overwritten")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); crescendo.CodeOf(err) != crescendo.CodeForbidden {
		t.Errorf("a key that others may read: %v", err)
	}
	if _, err := LoadKey(filepath.Join(dir, "none")); crescendo.CodeOf(err) != crescendo.CodeNotFound {
		t.Errorf("no file: %v", err)
	}
	for i, content := range []string{
		"", "secret", keyMark, keyMark + strings.Repeat("0", 64), keyMark + strings.Repeat("f", 64), keyMark + strings.Repeat("1", 62),
	} {
		bad := filepath.Join(dir, fmt.Sprint("bad", i))
		if err := os.WriteFile(bad, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// No way of printing a key shows the secret.
func TestKeyHidesItself(t *testing.T) {
	k := KeyFromSeed("seed")
	secret := fmt.Sprintf("%x", k.secret.Serialize())
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x %+v", k, k, k, k, k, k, struct{ K *Key }{k})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", k)
	if strings.Contains(out.String(), secret) || strings.Contains(out.String(), secret[:16]) {
		t.Errorf("the secret shows: %s", out.String())
	}
}
