// Package loadtest measures what a hub's live pages cost when many have them
// open: it opens as many streams as it is told to, in one process, and reads
// them all. When viewers get an update is compared among themselves: the one
// who gets it first is the clock of all others. What the hub used meanwhile is
// asked of the hub's own measurements.
//
// It makes load and judges nothing. It is for one's own hub.
package loadtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crescendo-network/crescendo"
)

// Config says which load to make.
type Config struct {
	Hub       string        // address, http://host:port
	Topic     string        // of the live page
	Viewers   int           // at most MaxViewers
	PerSecond int           // viewers that come in a second; hubs limit newcomers per client
	Duration  time.Duration // measured, once all have come
}

// MaxViewers bounds the load.
const MaxViewers = 20000

// maxLine bounds a line of a stream.
const maxLine = 1 << 20

// Report is what was measured. Times are in milliseconds.
type Report struct {
	Viewers int `json:"viewers"` // who stayed to the end
	Refused int `json:"refused"`
	Lost    int `json:"lost"` // streams that broke

	Seconds float64 `json:"seconds"` // measured
	Updates int     `json:"updates"` // different fragments
	Events  uint64  `json:"events"`  // fragments, all viewers together
	Bytes   uint64  `json:"bytes"`

	FirstMedian float64 `json:"first_median_ms"` // from asking to the whole page
	First99     float64 `json:"first_99_ms"`
	LateMedian  float64 `json:"late_median_ms"` // after the first viewer had it
	Late99      float64 `json:"late_99_ms"`
	LateMost    float64 `json:"late_most_ms"`

	Sent        float64 `json:"sent"`             // updates the hub handed to the network meanwhile, by its own count
	SentOver100 float64 `json:"sent_over_100_ms"` // of them, so long after they were made
	SentOver1s  float64 `json:"sent_over_1_s"`
	SentOver3s  float64 `json:"sent_over_3_s"`

	Blocks      float64 `json:"blocks"`                      // executed by the hub meanwhile
	CPUSeconds  float64 `json:"cpu_seconds"`                 // of the hub, meanwhile
	CPUPerBlock float64 `json:"cpu_per_block_ms"`            // zero without blocks
	CPUShare    float64 `json:"cpu_share"`                   // of one core
	Memory      float64 `json:"resident_bytes"`              // of the hub, at the end
	Before      float64 `json:"resident_bytes_at_the_start"` // before anybody came
}

// crowd is all viewers together.
type crowd struct {
	client *http.Client
	url    string

	measuring     atomic.Bool
	events, bytes atomic.Uint64
	seed          maphash.Seed

	mu      sync.Mutex
	first   map[uint64]time.Time // of each update; guarded by mu
	began   time.Time            // of measuring; guarded by mu
	late    []time.Duration      // guarded by mu; at most maxSamples
	snaps   []time.Duration      // guarded by mu
	refused int                  // guarded by mu
	lost    int                  // guarded by mu
	said    string               // by the first that was refused; guarded by mu
}

// maxUpdates bounds what a viewer remembers.
const maxUpdates = 1 << 16

// maxSamples bounds memory; beyond it every further sample is left out.
const maxSamples = 4 << 20

// Run makes the load and measures.
func Run(ctx context.Context, c Config, progress func(string)) (Report, error) {
	if c.Viewers < 1 || c.Viewers > MaxViewers {
		return Report{}, crescendo.Errorf(crescendo.CodeInvalid, "load with %d viewers: want 1 to %d", c.Viewers, MaxViewers)
	}
	if c.PerSecond < 1 || c.Duration <= 0 {
		return Report{}, crescendo.Errorf(crescendo.CodeInvalid, "load: want a rate and a duration above zero")
	}
	hub := strings.TrimRight(c.Hub, "/")
	before, err := measure(ctx, hub)
	if err != nil {
		return Report{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w := &crowd{
		url: hub + "/live/" + c.Topic, seed: maphash.MakeSeed(), first: map[uint64]time.Time{},
		client: &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext, DisableCompression: true, DisableKeepAlives: true}},
	}
	var viewers sync.WaitGroup
	come := time.NewTicker(time.Second / time.Duration(c.PerSecond))
	defer come.Stop()
	for i := range c.Viewers {
		select {
		case <-ctx.Done():
			return Report{}, context.Cause(ctx)
		case <-come.C:
		}
		viewers.Go(func() { w.view(ctx) })
		if (i+1)%100 == 0 {
			progress(fmt.Sprintf("%d viewers", i+1))
		}
	}
	if err := w.settle(ctx, c.Viewers); err != nil {
		return Report{}, err
	}
	start, err := measure(ctx, hub)
	if err != nil {
		return Report{}, err
	}
	began := time.Now()
	w.mu.Lock()
	w.began = began
	w.mu.Unlock()
	w.measuring.Store(true)
	progress(fmt.Sprintf("measuring for %v", c.Duration))
	select {
	case <-ctx.Done():
		return Report{}, context.Cause(ctx)
	case <-time.After(c.Duration):
	}
	w.measuring.Store(false)
	seconds := time.Since(began).Seconds()
	end, err := measure(ctx, hub)
	if err != nil {
		return Report{}, err
	}
	lost := w.lostSoFar()
	stop()
	viewers.Wait()
	return w.report(c, seconds, lost, before, start, end), nil
}

// settle waits until every viewer has the page or was refused.
func (w *crowd) settle(ctx context.Context, viewers int) error {
	for limit := time.Now().Add(time.Minute); ; {
		w.mu.Lock()
		come, refused, said := len(w.snaps), w.refused, w.said
		w.mu.Unlock()
		if come+refused >= viewers {
			if come == 0 {
				return crescendo.Errorf(crescendo.CodeForbidden, "load: the hub refuses all viewers: %s", said)
			}
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("load: %d of %d viewers still have no page", viewers-come-refused, viewers)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (w *crowd) lostSoFar() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// view is one viewer.
func (w *crowd) view(ctx context.Context) {
	asked := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		w.refuse(err.Error())
		return
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := w.client.Do(req)
	if err != nil {
		w.refuse(err.Error())
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.refuse(resp.Status)
		return
	}
	if err := w.read(resp.Body, asked); err != nil && ctx.Err() == nil {
		w.mu.Lock()
		w.lost++
		w.mu.Unlock()
	}
}

func (w *crowd) refuse(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused++; w.refused == 1 {
		w.said = why
	}
}

// read reads a stream to its end. An event ends with an empty line.
func (w *crowd) read(body interface{ Read([]byte) (int, error) }, asked time.Time) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 4<<10), maxLine)
	var h maphash.Hash
	h.SetSeed(w.seed)
	come, size, had := false, 0, map[uint64]bool{}
	for lines.Scan() {
		line := lines.Bytes()
		size += len(line) + 1
		if len(line) > 0 {
			if line[0] != ':' {
				h.Write(line)
			}
			continue
		}
		if !come {
			come = true
			w.mu.Lock()
			w.snaps = append(w.snaps, time.Since(asked))
			w.mu.Unlock()
		}
		update := h.Sum64()
		w.note(update, size, had[update])
		if len(had) < maxUpdates {
			had[update] = true
		}
		h.Reset()
		size = 0
	}
	return errors.Join(lines.Err(), errEnded)
}

var errEnded = errors.New("the stream has ended")

// note counts an event of one viewer. What the viewer has had before, or others
// had before measuring began, is a fragment that has become what it once was:
// it tells nothing of how late anybody is.
func (w *crowd) note(update uint64, size int, had bool) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	first, seen := w.first[update]
	if !seen {
		first = now
		w.first[update] = now
	}
	if !w.measuring.Load() {
		return
	}
	w.events.Add(1)
	w.bytes.Add(uint64(size))
	if !had && !first.Before(w.began) && len(w.late) < maxSamples {
		w.late = append(w.late, now.Sub(first))
	}
}

func (w *crowd) report(c Config, seconds float64, lost int, before, start, end usage) Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := Report{
		Viewers: c.Viewers - w.refused - lost, Refused: w.refused, Lost: lost, Seconds: seconds,
		Events: w.events.Load(), Bytes: w.bytes.Load(), Blocks: end.height - start.height,
		CPUSeconds: end.cpu - start.cpu, Memory: end.resident, Before: before.resident,
		Sent: end.sent - start.sent, SentOver100: end.over100 - start.over100, SentOver1s: end.over1s - start.over1s, SentOver3s: end.over3s - start.over3s,
	}
	for _, at := range w.first {
		if time.Since(at).Seconds() < seconds+1 {
			r.Updates++
		}
	}
	r.FirstMedian, r.First99, _ = spread(w.snaps)
	r.LateMedian, r.Late99, r.LateMost = spread(w.late)
	r.CPUShare = r.CPUSeconds / seconds
	if r.Blocks > 0 {
		r.CPUPerBlock = 1000 * r.CPUSeconds / r.Blocks
	}
	return r
}

// spread returns the median, the 99th percentile and the largest value.
func spread(d []time.Duration) (median, high, most float64) {
	if len(d) == 0 {
		return 0, 0, 0
	}
	slices.Sort(d)
	at := func(q int) float64 { return float64(d[(len(d)-1)*q/100].Microseconds()) / 1000 }
	return at(50), at(99), at(100)
}

// usage is what a hub says of itself.
type usage struct{ cpu, resident, height, sent, over100, over1s, over3s float64 }

// measure reads a hub's measurements.
func measure(ctx context.Context, hub string) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, hub+"/metrics", nil)
	if err != nil {
		return usage{}, crescendo.Errorf(crescendo.CodeInvalid, "load: address %q: want http://host:port", hub)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return usage{}, fmt.Errorf("read the hub's measurements: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return usage{}, crescendo.Errorf(crescendo.CodeNotFound, "read the hub's measurements: %s", resp.Status).
			WithHint("is this the address of a hub, and its /metrics not closed?")
	}
	var u usage
	lines := bufio.NewScanner(http.MaxBytesReader(nil, resp.Body, maxLine))
	for lines.Scan() {
		for name, dst := range map[string]*float64{
			"process_cpu_seconds_total ": &u.cpu, "process_resident_memory_bytes ": &u.resident, "crescendo_hub_height ": &u.height,
			deliveries(0): &u.sent, deliveries(100): &u.over100, deliveries(1000): &u.over1s, deliveries(3000): &u.over3s,
		} {
			if value, ok := bytes.CutPrefix(lines.Bytes(), []byte(name)); ok {
				fmt.Sscan(string(value), dst)
			}
		}
	}
	return u, lines.Err()
}

// deliveries is how the line begins that says how many updates took longer
// than so many milliseconds.
func deliveries(over int) string {
	return fmt.Sprintf("crescendo_hub_deliveries_total{over_ms=\"%d\"} ", over)
}
