// Package nodes measures what a hub depends on and what runs beside it: the
// archive, the ledger's node and the nodes it is connected to, relay and
// vault, the processes of this machine. It asks each of them a small question
// now and then and remembers how long the answer took.
//
// What it says is for people who look after a programme. Nothing is decided by
// it, what nobody answers is unknown and is called so, and nobody is asked but
// those whom the archive's own discovery document names: addresses that
// strangers announce are not.
package nodes

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// Timing and bounds.
const (
	pause      = 10 * time.Second // between looks
	farPause   = time.Minute      // between looks at blobs that travel far
	patience   = 5 * time.Second  // for one answer
	maxAnswer  = 256 << 10
	maxPeers   = 64
	maxSample  = 4 << 20 // bytes of all samples of one look together
	remembered = 10 * time.Minute
	maxText    = 80
)

// MaxSamples is how many blobs are fetched in one look. It is more than the
// smallest rung reveals between two looks (ten rounds of six trainers).
const MaxSamples = 64

// States of a Node.
const (
	Answers = "answers"
	Silent  = "does not answer"
	Unknown = "unknown"
)

// Node is a service, as it answered last.
type Node struct {
	Kind    string `json:"kind"`    // "archive", "ledger", "relay", "vault"
	State   string `json:"state"`   // "answers", "does not answer", "unknown"
	Micros  int64  `json:"micros"`  // the answer took; zero: unknown
	Version string `json:"version"` // as it says itself; empty: unknown
	Detail  string `json:"detail"`
	Problem string `json:"problem,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// Peer is a node that the ledger's node is connected to, in its words.
type Peer struct {
	ID      string `json:"id"` // the beginning of it
	Name    string `json:"name"`
	Version string `json:"version"`
	Millis  int64  `json:"connected_milliseconds"`
}

// Process is a process of this machine.
type Process struct {
	Role    string `json:"role"`
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	Version string `json:"version"` // empty: unknown
	Started int64  `json:"started"` // Unix milliseconds; zero: unknown
	Memory  uint64 `json:"resident_bytes"`
}

// Sample is a blob that has to be there, and what it is.
type Sample struct {
	Blob crescendo.Hash
	Size uint64
	Name string // "delta of round 7"
}

// Blobs is what became of looking at samples.
type Blobs struct {
	Checked int       `json:"checked"` // were fetched, and were what their names say
	Micros  int64     `json:"micros"`  // asking whether a blob is there took; zero: unknown
	Last    int64     `json:"time"`    // of the look; Unix milliseconds
	Trouble []Trouble `json:"trouble"` // of the last minutes, newest first
}

// Trouble is a blob that could not be had.
type Trouble struct {
	Blob crescendo.Hash `json:"blob"`
	Name string         `json:"name"`
	Text string         `json:"text"`
	From int64          `json:"from"`  // Unix milliseconds
	Till int64          `json:"until"` // when it was right again; zero: it is not
}

// Report is everything that is known.
type Report struct {
	Time      int64     `json:"time"` // of the newest look; Unix milliseconds; zero: nobody has looked
	Services  []Node    `json:"services"`
	Peers     []Peer    `json:"peers"`
	PeersSaid bool      `json:"peers_known"` // the ledger's node has told its peers
	Processes []Process `json:"processes"`
	Blobs     Blobs     `json:"blobs"`
}

// Config is what a Watch needs. What is missing is unknown.
type Config struct {
	Archive   string                                   // address of the archive that is followed; empty: none
	Processes func(context.Context) ([]Process, error) // of this machine; nil: nobody tells
	Samples   func() []Sample                          // blobs to look at; nil: none
	Store     blob.Store
	Now       func() time.Time
}

// Watch looks again and again.
type Watch struct {
	c      Config
	client *http.Client

	mu     sync.Mutex
	report Report // guarded by mu; its slices are never changed, only replaced

	looked time.Time // at blobs; Run alone uses it
}

// New returns a Watch that knows nothing yet.
func New(c Config) *Watch {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Watch{c: c, client: &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // nobody may send us elsewhere
	}, Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: patience}}}
}

// Report returns what is known.
func (w *Watch) Report() Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.report
}

// Run looks until ctx ends, and tells after each look.
func (w *Watch) Run(ctx context.Context, changed func()) {
	for {
		w.Look(ctx)
		changed()
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Look asks everybody once.
func (w *Watch) Look(ctx context.Context) {
	var r Report
	var around sync.WaitGroup
	around.Go(func() { r.Services, r.Peers, r.PeersSaid = w.services(ctx) })
	around.Go(func() { r.Processes = w.processes(ctx) })
	around.Go(func() { r.Blobs = w.blobs(ctx) })
	around.Wait()
	if ctx.Err() != nil {
		return
	}
	r.Time = w.c.Now().UnixMilli()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report = r
}

func (w *Watch) processes(ctx context.Context) []Process {
	if w.c.Processes == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all, err := w.c.Processes(ctx)
	if err != nil {
		return nil
	}
	return all
}

// blobs fetches samples and compares them with their names, which the store
// does. Blobs of a store elsewhere are looked at less often.
func (w *Watch) blobs(ctx context.Context) Blobs {
	before := w.Report().Blobs
	if w.c.Samples == nil || w.c.Store == nil {
		return before
	}
	now := w.c.Now()
	if w.c.Archive != "" && !near(w.c.Archive) && !w.looked.IsZero() && now.Sub(w.looked) < farPause {
		return before
	}
	w.looked = now
	var samples []Sample
	out := Blobs{Last: now.UnixMilli()}
	for _, t := range before.Trouble {
		switch {
		case t.Till == 0: // whatever is newer by now, this is to be right again
			samples = append(samples, Sample{Blob: t.Blob, Name: t.Name})
		case now.UnixMilli()-t.Till >= remembered.Milliseconds():
			continue
		}
		out.Trouble = append(out.Trouble, t)
	}
	for _, s := range w.c.Samples() {
		if len(samples) < MaxSamples && !slices.ContainsFunc(samples, func(have Sample) bool { return have.Blob == s.Blob }) {
			samples = append(samples, s)
		}
	}
	size := uint64(0)
	for i, s := range samples {
		if size += s.Size; size > maxSample {
			break
		}
		if i == 0 {
			out.Micros = w.timed(ctx, func(ctx context.Context) error { _, err := w.c.Store.Has(ctx, s.Blob); return err })
		}
		err := w.fetch(ctx, s)
		if ctx.Err() != nil {
			return before
		}
		if err == nil {
			out.Checked++
		}
		out.Trouble = noted(out.Trouble, s, err, now.UnixMilli())
	}
	return out
}

func (w *Watch) fetch(ctx context.Context, s Sample) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := w.c.Store.Get(ctx, s.Blob, maxSample)
	return err
}

// noted adds what came of fetching a sample to what is remembered.
func noted(all []Trouble, s Sample, err error, now int64) []Trouble {
	i := slices.IndexFunc(all, func(t Trouble) bool { return t.Blob == s.Blob && t.Till == 0 })
	switch {
	case err == nil && i >= 0:
		all = slices.Clone(all)
		all[i].Till = now
	case err != nil && i < 0:
		all = slices.Insert(slices.Clone(all), 0, Trouble{Blob: s.Blob, Name: s.Name, Text: clip(err.Error(), 3*maxText), From: now})
		all = all[:min(len(all), MaxSamples)]
	}
	return all
}

// timed measures how long an answer takes, in microseconds; zero if none came.
func (w *Watch) timed(ctx context.Context, ask func(context.Context) error) int64 {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	if ask(ctx) != nil {
		return 0
	}
	return max(1, time.Since(began).Microseconds())
}
