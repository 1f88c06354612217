package guard

import (
	"net/netip"
	"sync"
	"time"
)

// Limits bound what one client may ask. Reads and writes have a bucket each.
type Limits struct {
	Reads, Writes Rate
	AtOnce        int // requests of one client that are being answered, open pages included; 0: 128
	Clients       int // remembered at once; 0: 8192
}

// Rate fills a bucket: so many requests at once, then so many a second.
type Rate struct {
	Burst     float64
	PerSecond float64
}

// The defaults leave room for a page with its parts, reloaded in anger, and
// for a person who fills in forms.
var (
	defaultReads  = Rate{Burst: 600, PerSecond: 100}
	defaultWrites = Rate{Burst: 30, PerSecond: 1}
)

const (
	defaultAtOnce  = 128
	defaultClients = 8192
)

// rates holds a bucket for each client. When there are too many clients the
// ones that have been silent longest are forgotten: their buckets are the
// fullest, so forgetting gives them least.
type rates struct {
	limits Limits

	mu      sync.Mutex
	clients map[string]*client
	first   *client // silent longest
	last    *client
}

type client struct {
	name          string
	reads, writes bucket
	open          int // requests being answered
	before, after *client
}

type bucket struct {
	used float64
	at   time.Time
}

func newRates(l Limits) *rates {
	if l.Reads == (Rate{}) {
		l.Reads = defaultReads
	}
	if l.Writes == (Rate{}) {
		l.Writes = defaultWrites
	}
	if l.AtOnce <= 0 {
		l.AtOnce = defaultAtOnce
	}
	if l.Clients <= 0 {
		l.Clients = defaultClients
	}
	return &rates{limits: l, clients: map[string]*client{}}
}

// take uses up one request; it returns how long to wait if there is none.
func (r *rates) take(name string, read bool, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.of(name)
	if read {
		return c.reads.take(r.limits.Reads, now)
	}
	return c.writes.take(r.limits.Writes, now)
}

// begin counts a request that is about to be answered, until end is called. It
// refuses one client too many at once, so that nobody can have all open pages
// there are. This machine may: a web server that forwards for others is one
// client here and counts them itself.
func (r *rates) begin(name string) (end func(), ok bool) {
	if ip, err := netip.ParseAddr(name); err == nil && ip.IsLoopback() {
		return func() {}, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.of(name)
	if c.open >= r.limits.AtOnce {
		return nil, false
	}
	c.open++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		c.open--
	}, true
}

// of finds or remembers a client, who is not silent just now. It needs mu.
func (r *rates) of(name string) *client {
	c := r.clients[name]
	if c == nil {
		if len(r.clients) >= r.limits.Clients {
			oldest := r.first
			r.unlink(oldest)
			delete(r.clients, oldest.name)
		}
		c = &client{name: name}
		r.clients[name] = c
	} else {
		r.unlink(c)
	}
	r.append(c)
	return c
}

func (b *bucket) take(rate Rate, now time.Time) time.Duration {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.used = max(0, b.used-passed*rate.PerSecond)
	}
	b.at = now
	if b.used+1 > rate.Burst {
		return time.Duration((b.used + 1 - rate.Burst) / rate.PerSecond * float64(time.Second))
	}
	b.used++
	return 0
}

func (r *rates) append(c *client) {
	c.before, c.after = r.last, nil
	if r.last != nil {
		r.last.after = c
	} else {
		r.first = c
	}
	r.last = c
}

func (r *rates) unlink(c *client) {
	if c.before != nil {
		c.before.after = c.after
	} else {
		r.first = c.after
	}
	if c.after != nil {
		c.after.before = c.before
	} else {
		r.last = c.before
	}
}
