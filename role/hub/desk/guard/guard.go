// Package guard stands before every page of a hub: it names the hosts the hub
// answers for, sets the security headers, limits what one client may ask, and
// keeps the sessions of those who have logged in.
//
// It knows nothing of money or of the ledger, and it decides nothing about what
// a visitor may do beyond who he is.
package guard

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config says what a hub answers for. The zero value of a limit means its
// default.
type Config struct {
	// Hosts are the values of the Host header that are answered. A request for
	// any other host comes from a page whose name was made to point here.
	Hosts   []string
	TLS     bool             // cookies are bound to HTTPS, browsers are told to insist on it
	MaxBody int64            // bytes of a request; 0: 64 KiB
	Limits  Limits           // per client
	Now     func() time.Time // nil: time.Now
}

// writeTime bounds how long an answer may take to be read by whoever asked.
// Whoever serves what goes on for longer sets a limit of his own before each
// write. What a request says of itself does not lift the limit.
const (
	writeTime    = time.Minute
	defaultLimit = 64 << 10
)

// Policy is the Content-Security-Policy of every page: everything from this
// hub, nothing inline, nothing framed.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Guard checks requests before they reach a page.
type Guard struct {
	cfg    Config
	rates  *rates
	origin *http.CrossOriginProtection
}

// New returns a guard. It refuses to answer for no host at all.
func New(cfg Config) (*Guard, error) {
	if len(cfg.Hosts) == 0 {
		return nil, errors.New("guard hub: it is to answer for no host")
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = defaultLimit
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Hosts = slices.Clone(cfg.Hosts)
	for i, h := range cfg.Hosts {
		cfg.Hosts[i] = strings.ToLower(h)
	}
	return &Guard{cfg: cfg, rates: newRates(cfg.Limits), origin: http.NewCrossOriginProtection()}, nil
}

// HostsOf lists what a hub that listens on an address answers for: the address
// itself, and for loopback its usual names.
func HostsOf(address string) ([]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read address %q: %w", address, err)
	}
	hosts := []string{net.JoinHostPort(host, port)}
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || (err == nil && ip.IsLoopback()) {
		hosts = append(hosts, "localhost:"+port, "127.0.0.1:"+port, "[::1]:"+port)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// Wrap returns the handler behind the guard.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A writer without deadlines, as in tests, needs none.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
		g.headers(w.Header())
		if refused := g.check(r); refused != nil {
			refused.write(w)
			return
		}
		end, ok := g.rates.begin(Client(r))
		if !ok {
			(&refusal{status: http.StatusTooManyRequests, text: "too many requests of this client are being answered", hint: "close some pages", wait: time.Second}).write(w)
			return
		}
		defer end()
		r.Body = http.MaxBytesReader(w, r.Body, g.cfg.MaxBody)
		next.ServeHTTP(w, r)
	})
}

// refusal is a request that does not reach a page.
type refusal struct {
	status int
	text   string
	hint   string
	wait   time.Duration
}

func (f *refusal) write(w http.ResponseWriter) {
	if f.wait > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(f.wait.Seconds())+1))
	}
	http.Error(w, "error: "+f.text+"\nhint: "+f.hint, f.status)
}

func (g *Guard) check(r *http.Request) *refusal {
	if !slices.Contains(g.cfg.Hosts, strings.ToLower(r.Host)) {
		return &refusal{status: http.StatusMisdirectedRequest, text: "this hub does not answer for the host that was asked for",
			hint: "use the address that the hub printed, or name the host with --host"}
	}
	if r.ContentLength > g.cfg.MaxBody {
		return &refusal{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the request is above %d bytes", g.cfg.MaxBody),
			hint: "send less at once"}
	}
	if foreign(r) || g.origin.Check(r) != nil {
		return &refusal{status: http.StatusForbidden, text: "the request comes from another site's page", hint: "open the hub itself and try again"}
	}
	if wait := g.rates.take(Client(r), reads(r.Method), g.cfg.Now()); wait > 0 {
		return &refusal{status: http.StatusTooManyRequests, text: "too many requests from this client", hint: "wait a little", wait: wait}
	}
	return nil
}

// foreign reports whether another site's page asks for something in the
// background. Following a link to the hub is no such request.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return !(r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Dest") == "document")
}

func reads(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func (g *Guard) headers(h http.Header) {
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// Not no-referrer: with it browsers send no origin along with a form.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
	if g.cfg.TLS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// Client names who asks, for limits: the address of the connection, for IPv6
// its network, for a household has more addresses than we can count.
func Client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap()
	if ip.Is6() && !ip.IsLoopback() {
		p, err := ip.WithZone("").Prefix(64)
		if err != nil {
			return "unknown"
		}
		return p.String()
	}
	return ip.String()
}

// forwarders are the headers by which servers that forward for others are
// known.
var forwarders = []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Via", "Cf-Connecting-Ip", "True-Client-Ip"}

// Loopback reports whether the request comes from this machine and asks for
// this machine, not through anything that forwards for others.
func Loopback(r *http.Request) bool {
	for _, name := range forwarders {
		if len(r.Header.Values(name)) > 0 {
			return false
		}
	}
	return near(r) && loopbackName(r.Host)
}

// near reports whether the connection comes from this machine.
func near(r *http.Request) bool {
	ip, err := netip.ParseAddr(Client(r))
	return err == nil && ip.IsLoopback()
}

// loopbackName reports whether a Host header names the machine itself: a web
// server that forwards for others passes its own name on.
func loopbackName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
