package loadtest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/role/hub/live"
	"github.com/crescendo-network/crescendo/role/hub/loadtest"
)

// site is a live page whose content the test changes.
type site struct {
	*live.Server
	version atomic.Uint64
	size    int
	broken  bool // it drops its viewers
}

func newSite(size int) *site {
	s := &site{size: size}
	s.Server = live.New(func(context.Context, string) ([]live.Fragment, error) {
		html := fmt.Sprintf("<p>version %d</p>%s", s.version.Load(), strings.Repeat("x", s.size))
		return []live.Fragment{{Name: "page", HTML: []byte(html)}}, nil
	})
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/metrics":
		fmt.Fprintf(w, "process_cpu_seconds_total %d\nprocess_resident_memory_bytes 1e+07\ncrescendo_hub_height %d\n", s.version.Load(), s.version.Load())
	case s.broken:
		http.Error(w, "full", http.StatusServiceUnavailable)
	default:
		s.ServeTopic(w, r, "front")
	}
}

// advance changes the page now and then until the test ends.
func (s *site) advance(ctx context.Context) {
	for ctx.Err() == nil {
		s.version.Add(1)
		s.Refresh(ctx)
		time.Sleep(20 * time.Millisecond)
	}
}

func TestRunCounts(t *testing.T) {
	s := newSite(100)
	server := httptest.NewServer(s)
	defer server.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go s.advance(ctx)
	r, err := loadtest.Run(t.Context(), loadtest.Config{Hub: server.URL, Topic: "front", Viewers: 20, PerSecond: 1000, Duration: time.Second}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if r.Viewers != 20 || r.Refused != 0 || r.Lost != 0 {
		t.Errorf("of 20 viewers %d stayed, %d were refused, %d lost", r.Viewers, r.Refused, r.Lost)
	}
	if r.Updates == 0 || r.Events == 0 || r.Blocks < 1 || r.CPUPerBlock != 1000 || r.Memory != 1e7 {
		t.Errorf("report %+v", r)
	}
	if r.Bytes < 100*r.Events {
		t.Errorf("%d events of more than 100 bytes are %d bytes", r.Events, r.Bytes)
	}
}

func TestRunRefuses(t *testing.T) {
	full := newSite(1)
	full.broken = true
	server := httptest.NewServer(full)
	defer server.Close()
	good := loadtest.Config{Hub: server.URL, Topic: "front", Viewers: 2, PerSecond: 1000, Duration: time.Millisecond}
	for name, c := range map[string]struct {
		change func(*loadtest.Config)
		want   string
	}{
		"nobody":      {func(c *loadtest.Config) { c.Viewers = 0 }, "want 1 to"},
		"everybody":   {func(c *loadtest.Config) { c.Viewers = loadtest.MaxViewers + 1 }, "want 1 to"},
		"no duration": {func(c *loadtest.Config) { c.Duration = 0 }, "above zero"},
		"no hub":      {func(c *loadtest.Config) { c.Hub = server.URL + "/elsewhere" }, "measurements"},
		"full hub":    {func(*loadtest.Config) {}, "refuses all viewers: 503"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			c.change(&config)
			if _, err := loadtest.Run(t.Context(), config, func(string) {}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestSlowViewersSlowNobody connects viewers that never read, and fills their
// connections until nothing more can be written to them. The others still get
// every update, and each update waits for all of them.
func TestSlowViewersSlowNobody(t *testing.T) {
	s := newSite(256 << 10)
	s.WriteLimit = 24 * time.Hour // however slow this machine is, nobody is dropped and makes room
	server := httptest.NewServer(s)
	defer server.CloseClientConnections()
	for range 4 {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /live/front HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n")
	}
	const fast = 8
	seen := make(chan string, fast)
	for range fast {
		resp, err := http.Get(server.URL + "/live/front")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		go follow(resp.Body, seen)
	}
	all := func(want string) {
		t.Helper()
		for n := 0; n < fast; {
			select {
			case got := <-seen:
				if got == want {
					n++
				}
			case <-time.After(time.Minute):
				t.Fatalf("%d of %d viewers have %s while %d do not read", n, fast, want, 4)
			}
		}
	}
	all("version 0")
	for s.Viewers() < fast+4 {
		time.Sleep(10 * time.Millisecond)
	}
	const updates = 40 // ten megabytes: more than sockets hold
	for i := range uint64(updates) {
		s.version.Store(i + 1)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		all(fmt.Sprintf("version %d", i+1))
	}
	if n := s.Viewers(); n != fast+4 {
		t.Errorf("%d viewers are left of %d: those who do not read were dropped, and the others had to wait for that", n, fast+4)
	}
}

// follow says which versions come out of a stream.
func follow(body io.Reader, seen chan<- string) {
	var rest []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := body.Read(buffer)
		rest = append(rest, buffer[:n]...)
		for {
			end := bytes.Index(rest, []byte("\n\n"))
			if end < 0 {
				break
			}
			if _, after, ok := bytes.Cut(rest[:end], []byte("<p>")); ok {
				version, _, _ := bytes.Cut(after, []byte("</p>"))
				seen <- string(version)
			}
			rest = rest[end+2:]
		}
		if err != nil {
			return
		}
	}
}
