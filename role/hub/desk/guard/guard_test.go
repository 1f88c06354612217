package guard

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestHostsOf(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8080": "[127.0.0.1:8080 [::1]:8080 localhost:8080]",
		"localhost:80":   "[127.0.0.1:80 [::1]:80 localhost:80]",
		"[::1]:8080":     "[127.0.0.1:8080 [::1]:8080 localhost:8080]",
		"192.0.2.1:8080": "[192.0.2.1:8080]",
		"hub.example:1":  "[hub.example:1]",
	} {
		if got, err := HostsOf(address); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", address, got, err, want)
		}
	}
	if _, err := HostsOf("8080"); err == nil {
		t.Error("an address without a port was taken")
	}
}

func TestGuardAnswersForSomeHost(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a guard without hosts would answer for nobody")
	}
}

func TestClientsAreNetworks(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.7:1":                "192.0.2.7",
		"[::ffff:192.0.2.7]:1":       "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1":   "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:2":   "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":           "fe80::/64",
		"[::1]:1":                    "::1",
		"somewhere":                  "unknown",
		"not-an-address:1":           "unknown",
		"[2001:db8:ffff:2:3::6]:100": "2001:db8:ffff:2::/64",
	} {
		if got := Client(&http.Request{RemoteAddr: from}); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	r := newRates(Limits{Reads: Rate{Burst: 2, PerSecond: 0.5}, Writes: Rate{Burst: 1, PerSecond: 1}})
	for i, step := range []struct {
		after time.Duration
		read  bool
		ok    bool
	}{
		{0, true, true}, {0, true, true}, {0, true, false},
		{0, false, true}, {0, false, false}, // a bucket of its own
		{1 * time.Second, true, false}, {2 * time.Second, true, true}, {2 * time.Second, true, false},
		{time.Hour, true, true}, {time.Hour, true, true}, {time.Hour, true, false},
		{time.Minute, true, false}, // a clock that goes back gives nothing
	} {
		if wait := r.take("a", step.read, noon.Add(step.after)); (wait == 0) != step.ok {
			t.Errorf("step %d: wait %s", i, wait)
		}
	}
	if r.take("b", true, noon) != 0 {
		t.Error("one client's bucket empties another's")
	}
}

// However many clients there are, so many are remembered, and the one that is
// forgotten is the one that was silent longest.
func TestRatesAreBounded(t *testing.T) {
	r := newRates(Limits{Reads: Rate{Burst: 1, PerSecond: 0.001}, Clients: 100})
	for i := range 1000 {
		r.take(fmt.Sprint(i), true, noon)
		r.take("loud", true, noon) // asks all the time
	}
	if len(r.clients) != 100 {
		t.Errorf("%d clients remembered", len(r.clients))
	}
	if r.take("loud", true, noon) == 0 {
		t.Error("the loudest client was forgotten")
	}
	n := 0
	for c := r.first; c != nil; c = c.after {
		n++
	}
	if n != 100 || r.last.name != "loud" {
		t.Errorf("%d in the list, last %s", n, r.last.name)
	}
}

func request(cookies []*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// However many strangers come, so many are remembered, and those who have
// logged in stay.
func TestSessionsAreBounded(t *testing.T) {
	s := NewSessions("test", false, func() time.Time { return noon })
	w := httptest.NewRecorder()
	s.Begin(w, request(nil), "somebody")
	inside := w.Result().Cookies()
	for range maxSessions + 50 {
		s.Ensure(httptest.NewRecorder(), request(nil))
	}
	if len(s.byID) != maxSessions {
		t.Errorf("%d sessions", len(s.byID))
	}
	if s.Of(request(inside)).Account() != "somebody" {
		t.Error("who had logged in was forgotten for strangers")
	}
}

func TestNotesAreTakenOnce(t *testing.T) {
	s := NewSessions("test", false, nil)
	v := s.Begin(httptest.NewRecorder(), request(nil), nil)
	s.Note(v, "draft", 1)
	s.Note(v, "draft", 2)
	if got := s.Take(v, "draft"); got != 2 {
		t.Errorf("took %v", got)
	}
	if got := s.Take(v, "draft"); got != nil {
		t.Errorf("took %v again", got)
	}
}

func TestNobodyHasNoToken(t *testing.T) {
	var nobody *Session
	if nobody.Genuine("") || nobody.Token() != "" || nobody.Account() != nil {
		t.Error("no session counts as one")
	}
}

// However one client asks, so many of its requests are answered at once; open
// pages are among them. Others do not notice, and this machine is not counted.
func TestOpenRequestsAreBounded(t *testing.T) {
	g, err := New(Config{Hosts: []string{"hub.example"}, Limits: Limits{AtOnce: 3, Reads: Rate{Burst: 100, PerSecond: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	begun, leave := make(chan struct{}), make(chan struct{})
	site := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stays" {
			begun <- struct{}{}
			<-leave
		}
	}))
	ask := func(from, path string) int {
		r := httptest.NewRequest("GET", "http://hub.example"+path, nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		return w.Code
	}
	ended := make(chan int)
	for i := range 3 {
		go func() { ended <- ask(fmt.Sprintf("[2001:db8::%d]:1", i), "/stays") }()
		<-begun
	}
	if got := ask("[2001:db8::9]:1", "/"); got != http.StatusTooManyRequests {
		t.Errorf("the fourth at once: status %d", got)
	}
	for _, from := range []string{"192.0.2.7:1", "[2001:db8:0:1::1]:1", "127.0.0.1:5"} {
		if got := ask(from, "/"); got != http.StatusOK {
			t.Errorf("%s: status %d while another has three pages open", from, got)
		}
	}
	go func() {
		for range 5 { // this machine
			go func() { ended <- ask("127.0.0.1:5", "/stays") }()
		}
	}()
	for range 5 {
		<-begun
	}
	close(leave)
	for range 8 {
		if got := <-ended; got != http.StatusOK {
			t.Errorf("a page that was open ended with status %d", got)
		}
	}
	if got := ask("[2001:db8::9]:1", "/"); got != http.StatusOK {
		t.Errorf("after the others have gone: status %d", got)
	}
}

// deadlines notes what a response's writer is told.
type deadlines struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error { d.until = t; return nil }

// No header lifts the limit on how long an answer may take to be read, or a
// reader who takes nothing would be kept for ever.
func TestEveryAnswerHasADeadline(t *testing.T) {
	g, err := New(Config{Hosts: []string{"hub.example"}})
	if err != nil {
		t.Fatal(err)
	}
	site := g.Wrap(http.NotFoundHandler())
	for _, accept := range []string{"", "text/html", "text/event-stream"} {
		r := httptest.NewRequest("GET", "http://hub.example/", nil)
		r.Header.Set("Accept", accept)
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		site.ServeHTTP(w, r)
		if w.until.IsZero() || time.Until(w.until) > writeTime {
			t.Errorf("Accept %q: the deadline is %v", accept, w.until)
		}
	}
}

// What a server in front adds gives it away, however it writes the host.
func TestForwardedIsNotThisMachine(t *testing.T) {
	ask := func(header string) bool {
		r := httptest.NewRequest("GET", "http://localhost:8080/", nil)
		r.RemoteAddr = "127.0.0.1:1"
		if header != "" {
			r.Header.Set(header, "")
		}
		return Loopback(r)
	}
	if !ask("") {
		t.Fatal("this machine is not taken for itself")
	}
	for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "x-forwarded-proto", "Forwarded", "X-Real-IP", "Via", "CF-Connecting-IP", "True-Client-IP"} {
		if ask(h) {
			t.Errorf("with %s, a request counts as one from this machine", h)
		}
	}
}
