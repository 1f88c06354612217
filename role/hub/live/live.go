// Package live sends pages' changes to those who have them open, as
// server-sent events. Each topic is rendered once per change, whoever
// watches; a viewer gets all fragments when it connects and later only those
// that have changed. There is no queue per viewer: one who is slow gets the
// newest fragments when it is ready for them, and what came between is never
// sent. What fragments contain is not this package's business.
package live

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Fragment is a named piece of a page, in HTML.
type Fragment struct {
	Name string
	HTML []byte
}

// Limits of a Server.
const (
	MaxViewers = 4096
	heartbeat  = 20 * time.Second
	writeLimit = 15 * time.Second // a viewer that takes nothing for so long is dropped
	maxTopics  = 1024
	maxJoined  = 8 // different needs of viewers that are kept ready
)

// Server holds topics and their viewers. The zero value is not usable; call
// New.
type Server struct {
	// WriteLimit is after how long a viewer that takes nothing is dropped; zero:
	// 15 seconds. It is not to be changed while the Server serves.
	WriteLimit time.Duration

	render  func(ctx context.Context, topic string) ([]Fragment, error)
	viewers atomic.Int64
	late    lateness

	mu     sync.Mutex
	topics map[string]*topic // guarded by mu
}

// topic is the newest rendering of one page.
type topic struct {
	mu        sync.Mutex
	version   uint64        // guarded by mu
	fragments []fragment    // in the order of the page; guarded by mu
	changed   chan struct{} // closed at the next change; guarded by mu
	at        time.Time     // of the newest version; guarded by mu
	joined    []joined      // at most maxJoined; guarded by mu
	watching  int           // guarded by Server.mu
}

// joined is what those who have seen a version need, in one piece: most
// viewers have seen the same one.
type joined struct {
	seen uint64
	data []byte
}

type fragment struct {
	name    string
	version uint64 // of the topic when it changed last
	event   []byte // as it is sent
	html    []byte
}

// New returns a Server that renders topics with a function. The function
// returns an error for a topic that does not exist.
func New(render func(ctx context.Context, topic string) ([]Fragment, error)) *Server {
	return &Server{render: render, topics: map[string]*topic{}}
}

// Viewers is how many are watching.
func (s *Server) Viewers() int { return int(s.viewers.Load()) }

// Refresh renders all topics that somebody watches and wakes their viewers.
func (s *Server) Refresh(ctx context.Context) error {
	s.mu.Lock()
	names := make([]string, 0, len(s.topics))
	for name, t := range s.topics {
		if t.watching > 0 {
			names = append(names, name)
		} else {
			delete(s.topics, name)
		}
	}
	s.mu.Unlock()
	slices.Sort(names)
	var errs []error
	for _, name := range names {
		fragments, err := s.render(ctx, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("render %s: %w", name, err))
			continue
		}
		s.mu.Lock()
		t := s.topics[name]
		s.mu.Unlock()
		if t != nil {
			t.update(fragments)
		}
	}
	return errors.Join(errs...)
}

// update takes over a rendering.
func (t *topic) update(fragments []Fragment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	version := t.version + 1
	changed := false
	for _, f := range fragments {
		i := slices.IndexFunc(t.fragments, func(have fragment) bool { return have.name == f.Name })
		if i >= 0 && bytes.Equal(t.fragments[i].html, f.HTML) {
			continue
		}
		next := fragment{f.Name, version, event(f), f.HTML}
		if i >= 0 {
			t.fragments[i] = next
		} else {
			t.fragments = append(t.fragments, next)
		}
		changed = true
	}
	if !changed {
		return
	}
	t.version, t.at, t.joined = version, time.Now(), nil
	close(t.changed)
	t.changed = make(chan struct{})
}

// event writes a fragment as a server-sent event: one data line per line.
func event(f Fragment) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", f.Name)
	for line := range bytes.SplitSeq(f.HTML, []byte("\n")) {
		b.WriteString("data: ")
		b.Write(bytes.ReplaceAll(line, []byte("\r"), nil))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// news is what a viewer still needs.
type news struct {
	data    []byte // nobody changes it
	version uint64
	at      time.Time       // when that version was made
	more    <-chan struct{} // closed when there is another
}

// since returns what a viewer that has seen a version still needs, in one
// piece.
func (t *topic) since(seen uint64) news {
	t.mu.Lock()
	defer t.mu.Unlock()
	return news{t.join(seen), t.version, t.at, t.changed}
}

// join needs mu.
func (t *topic) join(seen uint64) (data []byte) {
	if i := slices.IndexFunc(t.joined, func(j joined) bool { return j.seen == seen }); i >= 0 {
		return t.joined[i].data
	}
	size, n := 0, 0
	for _, f := range t.fragments {
		if f.version > seen {
			data, size, n = f.event, size+len(f.event), n+1
		}
	}
	if n > 1 { // one alone is sent as it is: nobody changes it
		data = make([]byte, 0, size)
		for _, f := range t.fragments {
			if f.version > seen {
				data = append(data, f.event...)
			}
		}
	}
	if len(t.joined) < maxJoined {
		t.joined = append(t.joined, joined{seen, data})
	}
	return data
}

// watch joins a topic, rendering it first if nobody watches it yet.
func (s *Server) watch(ctx context.Context, name string) (*topic, error) {
	s.mu.Lock()
	t := s.topics[name]
	if t != nil {
		t.watching++
		s.mu.Unlock()
		return t, nil
	}
	full := len(s.topics) >= maxTopics
	s.mu.Unlock()
	if full {
		return nil, errFull
	}
	fragments, err := s.render(ctx, name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t = s.topics[name]; t == nil {
		t = &topic{changed: make(chan struct{})}
		t.update(fragments)
		s.topics[name] = t
	}
	t.watching++
	return t, nil
}

func (s *Server) leave(t *topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.watching--
}

var errFull = errors.New("too many viewers")

// ServeTopic streams a topic until the viewer goes.
func (s *Server) ServeTopic(w http.ResponseWriter, r *http.Request, name string) {
	if s.viewers.Add(1) > MaxViewers {
		s.viewers.Add(-1)
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many viewers: this page does not update itself just now; reload it instead", http.StatusServiceUnavailable)
		return
	}
	defer s.viewers.Add(-1)
	t, err := s.watch(r.Context(), name)
	if errors.Is(err, errFull) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many pages are watched just now", http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		http.Error(w, "there is no such page", http.StatusNotFound)
		return
	}
	defer s.leave(t)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	s.stream(r.Context(), http.NewResponseController(w), w, t)
}

func (s *Server) stream(ctx context.Context, c *http.ResponseController, w http.ResponseWriter, t *topic) {
	c.SetReadDeadline(time.Time{}) // the request is over, the viewer stays
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var seen uint64
	for {
		n := t.since(seen)
		if len(n.data) > 0 {
			if !s.send(c, w, n.data) {
				return
			}
			if seen > 0 { // the first one is old already
				s.late.note(time.Since(n.at))
			}
			seen = n.version
		}
		select {
		case <-ctx.Done():
			return
		case <-n.more:
		case <-beat.C:
			if !s.send(c, w, []byte(": still here\n\n")) {
				return
			}
		}
	}
}

// send writes to a viewer; it reports whether the viewer took it.
func (s *Server) send(c *http.ResponseController, w http.ResponseWriter, data []byte) bool {
	if err := c.SetWriteDeadline(time.Now().Add(cmp.Or(s.WriteLimit, writeLimit))); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return false
	}
	if _, err := w.Write(data); err != nil {
		return false
	}
	return c.Flush() == nil
}
