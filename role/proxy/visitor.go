package proxy

import (
	"net"
	"net/http"
	"net/url"

	"github.com/crescendo-network/crescendo/inference/openai"
)

// local refuses what a page of another site sends through the user's browser: it
// would spend his escrow. Programs send neither Origin nor fetch metadata. A name
// that only resolves to this machine is refused too, or a page could rebind its
// own.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		if !loopbackHost(r.Host) || !ours(r.Header.Get("Origin")) || site == "cross-site" {
			fail(w, openai.Errorf(http.StatusForbidden, "invalid_request_error", "", "forbidden",
				"this proxy pays for whoever reaches it, so it answers programs and pages of this machine only"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ours reports whether an origin is a page of this machine, or none.
func ours(origin string) bool {
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && loopbackHost(u.Host)
}

// loopbackHost reads a host, with or without a port.
func loopbackHost(hostport string) bool {
	u, err := url.Parse("http://" + hostport)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}
