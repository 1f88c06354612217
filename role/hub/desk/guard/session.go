package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"
)

// How long a session lasts: so long without a request, and so long in all.
const (
	IdleTime     = 30 * time.Minute
	AbsoluteTime = 12 * time.Hour
	maxSessions  = 4096
	tokenBytes   = 32
)

// Session is one visitor's stay. Its number travels in a cookie; here only the
// number's digest is kept, so that what leaks from memory opens nothing.
type Session struct {
	key     [32]byte // digest of the number
	csrf    string
	begun   time.Time
	used    time.Time // guarded by Sessions.mu
	account any       // who logged in; nil: nobody has. Never changes
	notes   map[string]any
}

// Account is who logged in, as Begin was told; nil if nobody has.
func (s *Session) Account() any {
	if s == nil {
		return nil
	}
	return s.account
}

// Token is what every form of the session carries.
func (s *Session) Token() string {
	if s == nil {
		return ""
	}
	return s.csrf
}

// Sessions keeps the stays of visitors in memory: after a restart everybody
// logs in again. Its size is bounded; those who have not logged in go first.
type Sessions struct {
	name string
	tls  bool
	now  func() time.Time

	mu   sync.Mutex
	byID map[[32]byte]*Session
}

// NewSessions returns an empty store. The tag tells the cookies of hubs on one
// host apart, since browsers do not tell ports apart.
func NewSessions(tag string, tls bool, now func() time.Time) *Sessions {
	name := "crescendo-" + tag
	if tls {
		name = "__Host-" + name
	}
	if now == nil {
		now = time.Now
	}
	return &Sessions{name: name, tls: tls, now: now, byID: map[[32]byte]*Session{}}
}

// Of returns the session of a request, nil if there is none that is alive.
func (s *Sessions) Of(r *http.Request) *Session {
	c, err := r.Cookie(s.name)
	if err != nil || len(c.Value) > 2*tokenBytes {
		return nil
	}
	key := sha256.Sum256([]byte(c.Value))
	s.mu.Lock()
	defer s.mu.Unlock()
	v, now := s.byID[key], s.now()
	if v == nil {
		return nil
	}
	if v.over(now) {
		delete(s.byID, key)
		return nil
	}
	v.used = now
	return v
}

func (v *Session) over(now time.Time) bool {
	return now.Sub(v.used) >= IdleTime || now.Sub(v.begun) >= AbsoluteTime
}

// Begin starts a session under a number that nobody has seen before, and ends
// the one the request came with: a number set before the login is worth
// nothing after it.
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, account any) *Session {
	s.drop(r)
	number, now := token(), s.now()
	v := &Session{key: sha256.Sum256([]byte(number)), csrf: token(), begun: now, used: now, account: account, notes: map[string]any{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= maxSessions {
		s.makeRoom(now)
	}
	s.byID[v.key] = v
	s.cookie(w, number, int(AbsoluteTime.Seconds()))
	return v
}

// Ensure returns the request's session, or begins one for a stranger who is
// about to fill in a form.
func (s *Sessions) Ensure(w http.ResponseWriter, r *http.Request) *Session {
	if v := s.Of(r); v != nil {
		return v
	}
	return s.Begin(w, r, nil)
}

// End logs out.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) {
	s.drop(r)
	s.cookie(w, "", -1)
}

func (s *Sessions) drop(r *http.Request) {
	c, err := r.Cookie(s.name)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, sha256.Sum256([]byte(c.Value)))
}

// makeRoom forgets what is over, or else whoever was seen least lately,
// strangers before those who have logged in. It needs mu.
func (s *Sessions) makeRoom(now time.Time) {
	var least *Session
	for key, v := range s.byID {
		if v.over(now) {
			delete(s.byID, key)
			continue
		}
		if least == nil || (v.account == nil && least.account != nil) ||
			((v.account == nil) == (least.account == nil) && v.used.Before(least.used)) {
			least = v
		}
	}
	if len(s.byID) >= maxSessions {
		delete(s.byID, least.key)
	}
}

func (s *Sessions) cookie(w http.ResponseWriter, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.name, Value: value, Path: "/", MaxAge: seconds, Secure: s.tls, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// Genuine reports whether a form carries the session's token.
func (s *Session) Genuine(given string) bool {
	return s != nil && hmac.Equal([]byte(s.csrf), []byte(given))
}

// Note keeps something for a later request of the session, under a name. A
// session keeps one thing under each name.
func (s *Sessions) Note(v *Session, name string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.notes[name] = value
}

// Take returns what was noted, and forgets it: it can be used once.
func (s *Sessions) Take(v *Session, name string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	value := v.notes[name]
	delete(v.notes, name)
	return value
}

func token() string {
	var b [tokenBytes]byte
	rand.Read(b[:]) // it never fails; the program ends if there is no randomness
	return base64.RawURLEncoding.EncodeToString(b[:])
}
