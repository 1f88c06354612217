package serve

import (
	"crypto/sha256"
	"encoding/binary"
)

// A key names what a page holds: the client, and all tokens up to its end.
type key [sha256.Size]byte

// clientKey begins the chain of a client's pages.
func clientKey(salt []byte, client string) key {
	h := sha256.New()
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(salt)))
	h.Write(n[:])
	h.Write(salt)
	h.Write([]byte(client))
	return key(h.Sum(nil))
}

// next is the key of the page after this one.
func (k key) next(tokens []int32) key {
	b := make([]byte, 0, len(k)+4*len(tokens))
	b = append(b, k[:]...)
	for _, t := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	return sha256.Sum256(b)
}

// A pool owns the pages. A page is free (overwritten), held by requests, or held
// by the prefix cache alone; those are given up when pages are wanted, the least
// recently used first.
type pool struct {
	free     []int32
	pages    []page
	cache    map[key]int32
	idle     ring // of pages that only the cache holds
	reserved int  // promised to requests and not yet taken
	evicted  uint64
	clear    func([]int32)
}

type page struct {
	holders    int
	cached     bool
	key        key
	root       key // of the client
	prev, next int32
}

// A ring is a list of pages through their prev and next, oldest first.
type ring struct {
	first, last int32
	len         int
}

const none = -1

func newPool(pages int, clear func([]int32)) *pool {
	p := &pool{pages: make([]page, pages), cache: make(map[key]int32), idle: ring{first: none, last: none}, clear: clear}
	for i := pages - 1; i >= 0; i-- {
		p.free = append(p.free, int32(i))
	}
	return p
}

// available is how many pages can still be promised.
func (p *pool) available() int { return len(p.free) + p.idle.len - p.reserved }

// match returns the cached pages that hold the keys, up to the first that is not
// there.
func (p *pool) match(keys []key) []int32 {
	var found []int32
	for _, k := range keys {
		i, ok := p.cache[k]
		if !ok {
			break
		}
		found = append(found, i)
	}
	return found
}

// idleAmong counts the pages that only the cache holds, which holding them takes
// out of what is available.
func (p *pool) idleAmong(list []int32) int {
	n := 0
	for _, i := range list {
		if p.pages[i].holders == 0 {
			n++
		}
	}
	return n
}

// hold adds a holder to a cached page.
func (p *pool) hold(i int32) {
	if p.pages[i].holders == 0 {
		p.unlink(i)
	}
	p.pages[i].holders++
}

// take turns a promise into a page.
func (p *pool) take() int32 {
	p.reserved--
	if len(p.free) == 0 {
		p.evict(p.idle.first)
		p.evicted++
	}
	i := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.pages[i].holders = 1
	return i
}

// publish lets others of the client find a full page. If another page holds the
// same, that one stays.
func (p *pool) publish(i int32, k, root key) {
	if _, ok := p.cache[k]; ok || p.pages[i].cached {
		return
	}
	p.cache[k] = i
	p.pages[i].cached, p.pages[i].key, p.pages[i].root = true, k, root
}

// release ends a request's hold on its pages, the last first, so that the cache
// gives up the end of a text before its beginning.
func (p *pool) release(list []int32) {
	var dirty []int32
	for n := len(list) - 1; n >= 0; n-- {
		i := list[n]
		g := &p.pages[i]
		if g.holders--; g.holders > 0 {
			continue
		}
		if g.cached {
			p.link(i)
		} else {
			dirty = append(dirty, i)
		}
	}
	p.scrub(dirty)
}

// forget gives up all that the cache alone holds of a client; what requests hold
// is no longer found.
func (p *pool) forget(root key) {
	for i := range p.pages {
		g := &p.pages[i]
		switch {
		case !g.cached || g.root != root:
		case g.holders == 0:
			p.evict(int32(i))
		default:
			delete(p.cache, g.key)
			g.cached, g.key, g.root = false, key{}, key{}
		}
	}
}

// evict frees a page that only the cache holds.
func (p *pool) evict(i int32) {
	p.unlink(i)
	g := &p.pages[i]
	delete(p.cache, g.key)
	g.cached, g.key, g.root = false, key{}, key{}
	p.scrub([]int32{i})
}

func (p *pool) scrub(list []int32) {
	if len(list) > 0 {
		p.clear(list)
		p.free = append(p.free, list...)
	}
}

// link makes a page the most recently used idle one.
func (p *pool) link(i int32) {
	g := &p.pages[i]
	g.prev, g.next = p.idle.last, none
	if p.idle.last == none {
		p.idle.first = i
	} else {
		p.pages[p.idle.last].next = i
	}
	p.idle.last = i
	p.idle.len++
}

func (p *pool) unlink(i int32) {
	g := &p.pages[i]
	if g.prev == none {
		p.idle.first = g.next
	} else {
		p.pages[g.prev].next = g.next
	}
	if g.next == none {
		p.idle.last = g.prev
	} else {
		p.pages[g.next].prev = g.prev
	}
	p.idle.len--
}
