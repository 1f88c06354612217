package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/blob/blobtest"
	"github.com/crescendo-network/crescendo/blob/file"
)

const testMaxBytes = 300_000

var quick = Options{Backoff: time.Millisecond, Token: "secret", Stall: 2 * time.Second}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func client(t *testing.T, o Options, mirrors ...string) *Client {
	t.Helper()
	c, err := New(mirrors, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var everything = HandlerOptions{AllowPut: true, AllowDelete: true, AllowList: true, Token: "secret", MaxBytes: testMaxBytes}

func TestStoreOverMemory(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Fixture {
		m := blob.NewMemory()
		return blobtest.Fixture{
			Store:    client(t, quick, serve(t, Handler(served{m}, everything))),
			Damage:   m.Damage,
			MaxBytes: testMaxBytes,
		}
	})
}

// served lets damaged bytes through to the wire, as a store that opens files
// without reading them does.
type served struct{ *blob.Memory }

func (s served) Open(ctx context.Context, h crescendo.Hash) (io.ReadSeekCloser, int64, error) {
	var data []byte
	err := s.Damage(h, func(b []byte) []byte { data = b; return b })
	if err != nil {
		return nil, 0, err
	}
	return readSeekNopCloser{bytes.NewReader(data)}, int64(len(data)), nil
}

func TestStoreOverFiles(t *testing.T) {
	s, err := file.Open(t.TempDir(), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, quick, serve(t, Handler(s, everything)))
	data := random(100_000)
	h, err := c.Put(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(t.Context(), h, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("get: %v", err)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	for i, rng := 0, rand.New(rand.NewPCG(1, 1)); i < n; i++ {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// held returns a memory store that holds data.
func held(t *testing.T, data []byte) (*blob.Memory, crescendo.Hash) {
	t.Helper()
	m := blob.NewMemory()
	h, err := m.Put(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	return m, h
}

// TestResume cuts every connection after some 30 kB; the download must go on
// from where it stopped, across mirrors.
func TestResume(t *testing.T) {
	data := random(100_000)
	m, h := held(t, data)
	var ranges []string
	cutting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		Handler(m, HandlerOptions{}).ServeHTTP(&cutWriter{ResponseWriter: w, left: 30_000}, r)
	})
	c := client(t, quick, serve(t, cutting), serve(t, cutting))
	got, err := c.Get(t.Context(), h, 0)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("get: %v", err)
	}
	want := []string{"", "bytes=30000-", "bytes=60000-", "bytes=90000-"}
	if fmt.Sprint(ranges) != fmt.Sprint(want) {
		t.Errorf("ranges asked for: %q, want %q", ranges, want)
	}
}

// cutWriter breaks the connection after left bytes.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		w.ResponseWriter.Write(b[:w.left])
		http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	w.left -= len(b)
	return w.ResponseWriter.Write(b)
}

// TestBadMirrors puts one mirror that fails in every possible way before a
// good one.
func TestBadMirrors(t *testing.T) {
	data := random(5000)
	m, h := held(t, data)
	good := serve(t, Handler(m, HandlerOptions{}))
	answer := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if key, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(key, value)
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for name, bad := range map[string]http.HandlerFunc{
		"absent":           answer(404, "", "no"),
		"failing":          answer(500, "", "oh"),
		"wrong bytes":      answer(200, "", strings.Repeat("x", 5000)),
		"short":            answer(200, "", "x"),
		"endless":          func(w http.ResponseWriter, _ *http.Request) { flood(w) },
		"claims too much":  answer(200, "Content-Length: 9000000000", ""),
		"redirects":        answer(302, "Location: http://127.0.0.1:1/", ""),
		"unasked range":    answer(206, "Content-Range: bytes 10-20/5000", "xxxxxxxxxxx"),
		"nonsense range":   answer(206, "Content-Range: -", "x"),
		"unasked 416":      answer(416, "Content-Range: bytes */7", ""),
		"416, nothing yet": answer(416, "Content-Range: bytes */0", ""),
		"hangs":            func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"hangs after some": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "some")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := quick
			o.Stall, o.MaxBytes = 100*time.Millisecond, 1<<20
			got, err := client(t, o, serve(t, bad), good).Get(t.Context(), h, 0)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("get past this mirror: %v", err)
			}
			o.Attempts = 2
			if _, err := client(t, o, serve(t, bad)).Get(t.Context(), h, 0); err == nil {
				t.Error("get from this mirror alone succeeds")
			}
		})
	}
}

func flood(w io.Writer) {
	for junk := make([]byte, 64<<10); ; {
		if _, err := w.Write(junk); err != nil {
			return
		}
	}
}

func TestRetryUntilTheMirrorIsBack(t *testing.T) {
	data := random(100)
	m, h := held(t, data)
	var calls atomic.Int32
	flaky := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 4 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		Handler(m, HandlerOptions{}).ServeHTTP(w, r)
	})
	if _, err := client(t, quick, serve(t, flaky)).Get(t.Context(), h, 0); err != nil {
		t.Error(err)
	}
	if n := calls.Load(); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}

func TestAbsenceIsNotRetried(t *testing.T) {
	var calls atomic.Int32
	empty := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		Handler(blob.NewMemory(), HandlerOptions{}).ServeHTTP(w, r)
	})
	c := client(t, quick, serve(t, empty), serve(t, empty))
	if _, err := c.Get(t.Context(), blob.Sum(nil), 0); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("%d requests, want one for each mirror", n)
	}
}

func TestPutGoesToTheNextMirror(t *testing.T) {
	m := blob.NewMemory()
	readOnly := serve(t, Handler(blob.NewMemory(), HandlerOptions{}))
	c := client(t, quick, readOnly, serve(t, Handler(m, everything)))
	h, err := c.Put(t.Context(), random(200_000))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := m.Has(t.Context(), h); !ok || err != nil {
		t.Errorf("second mirror has it: %v, %v", ok, err)
	}
}

func TestRefusedUploads(t *testing.T) {
	m := blob.NewMemory()
	o := everything
	o.Authorize = func(_ *http.Request, _ crescendo.Hash, size int64) error {
		if size == 13 {
			return errors.New("quota used up")
		}
		return nil
	}
	url := serve(t, Handler(m, o))
	data := []byte("these bytes")
	name := blob.Sum(data).String()
	for _, c := range []struct {
		name, path, token string
		body              io.Reader
		want              int
	}{
		{"no token", name, "", bytes.NewReader(data), 401},
		{"wrong token", name, "Bearer secret2", bytes.NewReader(data), 401},
		{"other bytes", name, "Bearer secret", strings.NewReader("those bytes"), 422},
		{"undeclared length", name, "Bearer secret", io.MultiReader(bytes.NewReader(data)), 411},
		{"too long", name, "Bearer secret", bytes.NewReader(make([]byte, testMaxBytes+1)), 413},
		{"over quota", name, "Bearer secret", bytes.NewReader(make([]byte, 13)), 403},
		{"upper-case name", strings.ToUpper(name), "Bearer secret", bytes.NewReader(data), 404},
		{"path tricks", "../" + name, "Bearer secret", bytes.NewReader(data), 404},
		{"fine", name, "Bearer secret", bytes.NewReader(data), 201},
	} {
		req, err := http.NewRequest(http.MethodPut, url+"/"+c.path, c.body)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			req.Header.Set("Authorization", c.token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d", c.name, resp.StatusCode, c.want)
		}
		n := 0
		for range m.List(t.Context()) {
			n++
		}
		if want := c.want / 201 % 2; c.want != 201 && n != 0 || c.want == 201 && n != want {
			t.Errorf("%s: store holds %d objects", c.name, n)
		}
	}
}

func TestReadOnlyMirrorKeepsToItself(t *testing.T) {
	m, h := held(t, []byte("x"))
	c := client(t, quick, serve(t, Handler(m, HandlerOptions{})))
	if _, err := c.Put(t.Context(), []byte("y")); err == nil {
		t.Error("put succeeds")
	}
	if err := c.Delete(t.Context(), h); err == nil {
		t.Error("delete succeeds")
	}
	for _, err := range c.List(t.Context()) {
		if err == nil {
			t.Error("list succeeds")
		}
	}
}

func TestListPages(t *testing.T) {
	m := blob.NewMemory()
	for i := range maxListed + 7 {
		if _, err := m.Put(t.Context(), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, err := range client(t, quick, serve(t, Handler(m, everything))).List(t.Context()) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != maxListed+7 {
		t.Errorf("%d names, want %d", n, maxListed+7)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, mirrors := range [][]string{nil, {"ftp://x"}, {"http://"}, {"/path"}, {"http://x/?a=b"}, {":"}} {
		if _, err := New(mirrors, Options{}); err == nil {
			t.Errorf("New(%q) succeeds", mirrors)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte(blob.Sum(nil).String() + "\n"))
	f.Add([]byte("zz\n"))
	f.Fuzz(func(t *testing.T, page []byte) {
		names, err := parsePage(bytes.NewReader(page), crescendo.Hash{})
		for i := 1; err == nil && i < len(names); i++ {
			if blob.Compare(names[i-1], names[i]) >= 0 {
				t.Fatal("names out of order accepted")
			}
		}
	})
}
