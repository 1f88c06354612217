package http

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

const (
	// DefaultConcurrentWrites bounds the uploads held in memory at a time.
	DefaultConcurrentWrites = 16
	// maxListed is the most names one list request returns.
	maxListed = 1000
	// An upload may take minWriteTime, and a second more for every slowestWrite
	// bytes: slow senders cannot hold the upload slots for ever.
	minWriteTime = 30 * time.Second
	slowestWrite = 256 << 10
)

// HandlerOptions configure Handler. The zero value serves reads only.
type HandlerOptions struct {
	// AllowPut accepts uploads, from anybody unless Token or Authorize say no.
	AllowPut bool
	// AllowDelete accepts deletions; it has no effect without a Token.
	AllowDelete bool
	// AllowList answers GET / with the names of all objects.
	AllowList bool
	// Token, when set, must accompany uploads and deletions as a bearer token.
	Token string
	// Authorize, when set, is asked before each upload, with the length the
	// request declares: the place for quotas. Its error goes to the sender
	// with status 403.
	Authorize func(r *http.Request, h crescendo.Hash, size int64) error
	// MaxBytes bounds one upload; zero means blob.DefaultMaxBytes.
	MaxBytes int64
	// ConcurrentWrites bounds uploads in progress; zero means
	// DefaultConcurrentWrites. Each may hold MaxBytes of memory.
	ConcurrentWrites int
}

type handler struct {
	store blob.Store
	o     HandlerOptions
	slots chan struct{}
}

// Handler serves store:
//
//	GET, HEAD /<hash>   the object; Range is honoured
//	PUT       /<hash>   stores the body if it has that hash
//	DELETE    /<hash>   removes the object
//	GET       /?after=<hash>&limit=<n>   names in order, one a line
//
// Mount it under a prefix with http.StripPrefix.
func Handler(store blob.Store, o HandlerOptions) http.Handler {
	if o.MaxBytes <= 0 {
		o.MaxBytes = blob.DefaultMaxBytes
	}
	if o.ConcurrentWrites <= 0 {
		o.ConcurrentWrites = DefaultConcurrentWrites
	}
	return &handler{store: store, o: o, slots: make(chan struct{}, o.ConcurrentWrites)}
}

// ServeHTTP implements http.Handler.
func (s *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		if r.Method != http.MethodGet {
			refuse(w, http.StatusMethodNotAllowed, "only GET is served here")
			return
		}
		s.list(w, r)
		return
	}
	h, err := crescendo.ParseHash(name)
	if err != nil || h.String() != name {
		refuse(w, http.StatusNotFound, "the path is not the name of a blob")
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.get(w, r, h)
	case http.MethodPut:
		s.put(w, r, h)
	case http.MethodDelete:
		s.delete(w, r, h)
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT, DELETE")
		refuse(w, http.StatusMethodNotAllowed, "method not served here")
	}
}

func (s *handler) get(w http.ResponseWriter, r *http.Request, h crescendo.Hash) {
	content, err := s.open(r.Context(), h)
	if err != nil {
		answer(w, err)
		return
	}
	defer content.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("ETag", `"`+h.String()+`"`)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, content)
}

// open avoids loading the object where the store allows it. Bytes may then go
// out unchecked, which is as well: the client has to check them anyway.
func (s *handler) open(ctx context.Context, h crescendo.Hash) (io.ReadSeekCloser, error) {
	if opener, ok := s.store.(blob.Opener); ok {
		content, _, err := opener.Open(ctx, h)
		return content, err
	}
	data, err := s.store.Get(ctx, h, 0)
	if err != nil {
		return nil, err
	}
	return readSeekNopCloser{bytes.NewReader(data)}, nil
}

type readSeekNopCloser struct{ io.ReadSeeker }

func (readSeekNopCloser) Close() error { return nil }

func (s *handler) put(w http.ResponseWriter, r *http.Request, h crescendo.Hash) {
	if !s.o.AllowPut {
		refuse(w, http.StatusForbidden, "this mirror takes no uploads")
		return
	}
	if !s.authorized(w, r) {
		return
	}
	if r.ContentLength < 0 {
		refuse(w, http.StatusLengthRequired, "an upload must declare its length")
		return
	}
	if r.ContentLength > s.o.MaxBytes {
		answer(w, blob.CheckSize(h, r.ContentLength, s.o.MaxBytes))
		return
	}
	if s.o.Authorize != nil {
		if err := s.o.Authorize(r, h, r.ContentLength); err != nil {
			refuse(w, http.StatusForbidden, err.Error())
			return
		}
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-r.Context().Done():
		return
	}
	// Not every ResponseWriter can set a deadline; the server's own stands then.
	limit := minWriteTime + time.Duration(r.ContentLength/slowestWrite)*time.Second
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
	buffer := uploads.Get().(*bytes.Buffer)
	defer reuse(buffer)
	data, err := readAll(buffer, http.MaxBytesReader(w, r.Body, s.o.MaxBytes), r.ContentLength)
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("read the upload of blob %s: %v", h, err))
		return
	}
	if err := blob.Verify(h, data); err != nil {
		answer(w, err)
		return
	}
	if _, err := s.store.Put(r.Context(), data); err != nil {
		answer(w, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// pooled is the largest upload whose memory is kept for the next one, and the
// most that is set aside on the word of a sender.
const pooled = 16 << 20

// uploads holds buffers between uploads: trainers send states of megabytes
// every few seconds, and stores do not keep what they are given.
var uploads = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func reuse(b *bytes.Buffer) {
	if b.Cap() <= pooled {
		b.Reset()
		uploads.Put(b)
	}
}

func readAll(b *bytes.Buffer, body io.Reader, length int64) ([]byte, error) {
	// MinRead more, or the buffer grows once more to see the end.
	b.Grow(int(min(length, pooled-bytes.MinRead)) + bytes.MinRead)
	_, err := b.ReadFrom(body)
	return b.Bytes(), err
}

func (s *handler) delete(w http.ResponseWriter, r *http.Request, h crescendo.Hash) {
	if !s.o.AllowDelete || s.o.Token == "" {
		refuse(w, http.StatusForbidden, "this mirror deletes nothing on request")
		return
	}
	if !s.authorized(w, r) {
		return
	}
	if err := s.store.Delete(r.Context(), h); err != nil {
		answer(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// authorized checks the bearer token; hashing first hides its length.
func (s *handler) authorized(w http.ResponseWriter, r *http.Request) bool {
	if s.o.Token == "" {
		return true
	}
	got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	want := sha256.Sum256([]byte("Bearer " + s.o.Token))
	if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
		return true
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	refuse(w, http.StatusUnauthorized, "wrong or missing write token")
	return false
}

func (s *handler) list(w http.ResponseWriter, r *http.Request) {
	if !s.o.AllowList {
		refuse(w, http.StatusForbidden, "this mirror does not list its blobs")
		return
	}
	var after crescendo.Hash
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = crescendo.ParseHash(text); err != nil {
			refuse(w, http.StatusBadRequest, "after: "+err.Error())
			return
		}
	}
	limit := maxListed
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			refuse(w, http.StatusBadRequest, "limit: want a positive number")
			return
		}
		limit = min(limit, n)
	}
	var page strings.Builder
	for h, err := range s.store.List(r.Context()) {
		if err != nil {
			answer(w, err)
			return
		}
		if blob.Compare(h, after) <= 0 {
			continue
		}
		page.WriteString(h.String() + "\n")
		if limit--; limit == 0 {
			break
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, page.String())
}

// statusOf pairs the errors of package blob with statuses, for both sides.
var statusOf = []struct {
	err    error
	status int
}{
	{blob.ErrNotFound, http.StatusNotFound},
	{blob.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{blob.ErrCorrupt, http.StatusUnprocessableEntity},
	{blob.ErrDiskFull, http.StatusInsufficientStorage},
}

func answer(w http.ResponseWriter, err error) {
	for _, s := range statusOf {
		if errors.Is(err, s.err) {
			refuse(w, s.status, err.Error())
			return
		}
	}
	refuse(w, http.StatusInternalServerError, "the store failed") // detail is not for strangers
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, status)
}
