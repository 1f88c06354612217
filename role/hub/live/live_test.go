package live

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// source is a page whose fragments a test changes.
type source struct {
	a, b     atomic.Int64
	rendered atomic.Int64
}

func (s *source) render(_ context.Context, topic string) ([]Fragment, error) {
	if topic != "page" {
		return nil, errors.New("no such page")
	}
	s.rendered.Add(1)
	return []Fragment{{"a", fmt.Appendf(nil, "<p>\n%d</p>", s.a.Load())}, {"b", fmt.Appendf(nil, "%d", s.b.Load())}}, nil
}

// viewer reads events of a topic one by one.
type viewer struct {
	t *testing.T
	r *bufio.Reader
}

func watch(t *testing.T, s *Server) (viewer, context.CancelFunc) {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeTopic(w, r, "page") }))
	t.Cleanup(site.Close)
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, site.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := site.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return viewer{t, bufio.NewReader(resp.Body)}, leave
}

// next reads one event.
func (v viewer) next() string {
	v.t.Helper()
	var event string
	for {
		line, err := v.r.ReadString('\n')
		if err != nil {
			v.t.Fatalf("read events: %v after %q", err, event)
		}
		if line == "\n" {
			return event
		}
		event += line
	}
}

func (v viewer) want(events ...string) {
	v.t.Helper()
	for _, want := range events {
		if got := v.next(); got != want {
			v.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// A viewer gets everything at first and then what has changed.
func TestSnapshotThenChanges(t *testing.T) {
	var page source
	s := New(page.render)
	v, _ := watch(t, s)
	v.want("event: a\ndata: <p>\ndata: 0</p>\n", "event: b\ndata: 0\n")
	page.b.Store(1)
	refresh(t, s)
	v.want("event: b\ndata: 1\n")
	refresh(t, s) // nothing has changed: nothing is sent
	page.a.Store(2)
	refresh(t, s)
	v.want("event: a\ndata: <p>\ndata: 2</p>\n")
}

func refresh(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// However many watch, a page is rendered once for each change; and when nobody
// does, not at all.
func TestRenderedOnce(t *testing.T) {
	var page source
	s := New(page.render)
	var viewers []viewer
	var leave []context.CancelFunc
	for range 20 {
		v, l := watch(t, s)
		v.next()
		v.next()
		viewers, leave = append(viewers, v), append(leave, l)
	}
	before := page.rendered.Load()
	page.b.Store(1)
	refresh(t, s)
	for _, v := range viewers {
		v.want("event: b\ndata: 1\n")
	}
	if n := page.rendered.Load() - before; n != 1 {
		t.Errorf("rendered %d times for one change and 20 viewers", n)
	}
	for _, l := range leave {
		l()
	}
	for s.Viewers() > 0 {
		time.Sleep(time.Millisecond)
	}
	before = page.rendered.Load()
	refresh(t, s)
	if n := page.rendered.Load() - before; n != 0 {
		t.Errorf("rendered %d times for nobody", n)
	}
}

// A viewer that was away gets the newest fragments and no backlog: what a
// topic keeps does not grow with changes.
func TestNoBacklog(t *testing.T) {
	tp := &topic{changed: make(chan struct{})}
	tp.update([]Fragment{{"a", []byte("0")}, {"b", []byte("0")}})
	seen := tp.since(0).version
	for i := range 1000 {
		tp.update([]Fragment{{"a", fmt.Append(nil, i+1)}, {"b", []byte("0")}})
	}
	n := tp.since(seen)
	if got, want := string(n.data), "event: a\ndata: 1000\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := tp.since(n.version); len(n.data) != 0 {
		t.Errorf("sent again: %q", n.data)
	}
}

// What viewers need is made once for all who have seen the same, whatever
// others have seen, and never of an old version.
func TestWhatIsJoinedIsRight(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tp := &topic{changed: make(chan struct{})}
	pages := map[uint64]map[string]string{0: {}} // by version, what a viewer has who got everything
	current := map[string]string{}
	for step := range 2000 {
		for _, name := range []string{"a", "b", "c"} {
			if rng.IntN(2) == 0 {
				current[name] = fmt.Sprint(step)
			}
		}
		var fragments []Fragment
		for _, name := range slices.Sorted(maps.Keys(current)) {
			fragments = append(fragments, Fragment{name, []byte(current[name])})
		}
		tp.update(fragments)
		pages[tp.version] = maps.Clone(current)
		for range 12 {
			seen := uint64(rng.Int64N(int64(tp.version) + 1))
			has := maps.Clone(pages[seen])
			n := tp.since(seen)
			for _, e := range strings.Split(strings.TrimSuffix(string(n.data), "\n\n"), "\n\n") {
				name, data, _ := strings.Cut(strings.TrimPrefix(e, "event: "), "\ndata: ")
				if e != "" {
					has[name] = data
				}
			}
			if n.version != tp.version || !maps.Equal(has, current) {
				t.Fatalf("step %d: who had version %d and is given %q has %v, want %v", step, seen, n.data, has, current)
			}
		}
		if len(tp.joined) > maxJoined {
			t.Fatalf("step %d: %d answers are kept", step, len(tp.joined))
		}
	}
}

// Late updates are counted as late, and nobody's first page is an update.
func TestDeliveriesAreCounted(t *testing.T) {
	var page source
	s := New(page.render)
	v, _ := watch(t, s)
	v.next()
	v.next()
	counts := func() (out []uint64) {
		for _, d := range s.Deliveries() {
			out = append(out, d.Count)
		}
		return out
	}
	if got := counts(); got[0] != 0 {
		t.Errorf("the first page counts as an update: %v", got)
	}
	page.b.Store(1)
	refresh(t, s)
	v.next()
	for s.Deliveries()[0].Count == 0 { // it is counted after it was sent
		time.Sleep(time.Millisecond)
	}
	if got := counts(); got[0] != 1 {
		t.Errorf("one update is counted as %v", got)
	}
	var l lateness
	l.note(50 * time.Millisecond)
	l.note(5 * time.Second)
	for i, want := range []uint64{2, 2, 2, 1, 1, 1, 1} {
		if got := l.over[i].Load(); got != want {
			t.Errorf("over %v: %d, want %d", lateBounds[i], got, want)
		}
	}
}

// stuck is a viewer that takes nothing.
type stuck struct{ http.ResponseWriter }

func (stuck) Write([]byte) (int, error) { return 0, errors.New("the viewer takes nothing") }

// A viewer that cannot be written to is dropped.
func TestStuckViewerIsDropped(t *testing.T) {
	var page source
	s := New(page.render)
	s.ServeTopic(stuck{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil), "page")
	if n := s.Viewers(); n != 0 {
		t.Errorf("%d viewers are left", n)
	}
}

// Bounds hold, and are told.
func TestBounds(t *testing.T) {
	var page source
	s := New(page.render)
	s.viewers.Store(MaxViewers)
	w := httptest.NewRecorder()
	s.ServeTopic(w, httptest.NewRequest(http.MethodGet, "/", nil), "page")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "too many viewers") {
		t.Errorf("viewer %d: %d %s", MaxViewers+1, w.Code, w.Body)
	}
	if s.Viewers() != MaxViewers {
		t.Errorf("%d viewers are counted", s.Viewers())
	}
	s.viewers.Store(0)
	for i := range maxTopics {
		s.topics[fmt.Sprint(i)] = &topic{watching: 1}
	}
	w = httptest.NewRecorder()
	s.ServeTopic(w, httptest.NewRequest(http.MethodGet, "/", nil), "page")
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("topic %d: %d %s", maxTopics+1, w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	New(page.render).ServeTopic(w, httptest.NewRequest(http.MethodGet, "/", nil), "other")
	if w.Code != http.StatusNotFound {
		t.Errorf("a page that does not exist: %d", w.Code)
	}
}

// One change for many viewers: the cost on top of writing to sockets.
func BenchmarkChange(b *testing.B) {
	tp := &topic{changed: make(chan struct{})}
	html := bytes.Repeat([]byte("<p>some text</p>"), 400)
	seen := make([]uint64, 1000)
	for i := range b.N {
		tp.update([]Fragment{{"a", fmt.Append(html, i)}})
		for k := range seen {
			seen[k] = tp.since(seen[k]).version
		}
	}
}
