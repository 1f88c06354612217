// Package http fetches blobs from HTTP mirrors and serves them: the way
// objects travel between the processes and people of a programme.
//
// Nobody on the way is trusted. A client checks every object against its
// name, moves on to the next mirror when one is slow, wrong or away, and
// resumes a broken download with a Range request. The server checks uploads
// before it stores them. All connections are outbound from the client; the
// package finds no peers and caches nothing.
package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// Defaults of Options.
const (
	DefaultAttempts = 4
	DefaultBackoff  = 200 * time.Millisecond
	DefaultStall    = 15 * time.Second
	maxBackoff      = 10 * time.Second
	maxErrorText    = 512 // of a mirror's error message, in bytes
	maxMirrors      = 32
	trustedSize     = 16 << 20 // memory set aside on the word of a mirror
	askFirst        = 64 << 10 // uploads above this wait for leave to be sent
)

// Options configure a Client. The zero value is usable.
type Options struct {
	// HTTP makes the requests; nil means a client of the package's own that
	// follows no redirects.
	HTTP *http.Client
	// Token goes with uploads and deletions.
	Token string
	// Attempts is how often the list of mirrors is gone through; zero means
	// DefaultAttempts.
	Attempts int
	// Backoff is the wait before the second attempt; it doubles from there, with
	// jitter. Zero means DefaultBackoff.
	Backoff time.Duration
	// Stall is how long a mirror may send nothing before it is given up. Zero
	// means DefaultStall.
	Stall time.Duration
	// MaxBytes bounds an object; zero means blob.DefaultMaxBytes.
	MaxBytes int64
}

// Client is a blob.Store on a list of mirrors. Reads try the mirrors in
// order; an upload is done when one mirror has taken it.
type Client struct {
	mirrors []string // without a final slash
	o       Options
}

var _ blob.Store = (*Client)(nil)

// New returns a client of the mirrors, each the URL under which Handler is
// mounted.
func New(mirrors []string, o Options) (*Client, error) {
	if len(mirrors) == 0 || len(mirrors) > maxMirrors {
		return nil, fmt.Errorf("open blob mirrors: %d given, want 1 to %d", len(mirrors), maxMirrors)
	}
	c := &Client{o: o}
	for _, m := range mirrors {
		u, err := url.Parse(m)
		if err != nil {
			return nil, fmt.Errorf("open blob mirror: %w", err)
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("open blob mirror %q: want http://host/path or https://host/path", m)
		}
		c.mirrors = append(c.mirrors, strings.TrimRight(m, "/"))
	}
	if c.o.HTTP == nil {
		c.o.HTTP = newHTTPClient()
	}
	if c.o.Attempts <= 0 {
		c.o.Attempts = DefaultAttempts
	}
	if c.o.Backoff <= 0 {
		c.o.Backoff = DefaultBackoff
	}
	if c.o.Stall <= 0 {
		c.o.Stall = DefaultStall
	}
	if c.o.MaxBytes <= 0 {
		c.o.MaxBytes = blob.DefaultMaxBytes
	}
	return c, nil
}

func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a mirror may not send us elsewhere
	}}
}

// permanent marks a failure that trying the same mirror again will not mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// each runs try against the mirrors in order, over and over with growing
// pauses, until one succeeds, all have failed for good, or the attempts are
// used up. It returns the most telling of the last errors.
func (c *Client) each(ctx context.Context, try func(mirror string) error) error {
	dead := make([]bool, len(c.mirrors))
	last := make([]error, len(c.mirrors))
	pause := c.o.Backoff
	for attempt := range c.o.Attempts {
		if attempt > 0 {
			if err := sleep(ctx, pause/2+rand.N(pause)); err != nil {
				return err
			}
			pause = min(2*pause, maxBackoff)
		}
		alive := false
		for i, mirror := range c.mirrors {
			if dead[i] {
				continue
			}
			err := try(mirror)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			last[i] = err
			dead[i] = errors.As(err, new(permanent))
			alive = alive || !dead[i]
		}
		if !alive {
			break
		}
	}
	return verdict(last)
}

// verdict prefers an error that says more than "not here": absence counts only
// when every mirror reports it.
func verdict(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
	}
	return errs[0]
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get implements blob.Store.
func (c *Client) Get(ctx context.Context, h crescendo.Hash, limit int64) ([]byte, error) {
	if limit <= 0 || limit > c.o.MaxBytes {
		limit = c.o.MaxBytes
	}
	// What a broken download left is continued on the next mirror, until that
	// has once led to wrong bytes: from then on each mirror starts afresh.
	var partial bytes.Buffer
	from, share := "", true // mirror whose bytes partial holds; "" for several
	err := c.each(ctx, func(mirror string) error {
		switch {
		case partial.Len() == 0:
			from = mirror
		case from != mirror && share:
			from = ""
		case from != mirror:
			partial.Reset()
			from = mirror
		}
		if err := c.fetch(ctx, mirror, h, limit, &partial); err != nil {
			return err
		}
		err := blob.Verify(h, partial.Bytes())
		if err == nil {
			return nil
		}
		partial.Reset()
		if from != mirror { // no telling who sent the wrong bytes
			share = false
			return err
		}
		return permanent{fmt.Errorf("%s: %w", mirror, err)}
	})
	if err != nil {
		return nil, fmt.Errorf("get blob %s: %w", h, err)
	}
	return partial.Bytes(), nil
}

// fetch appends to partial what is missing of the object. A mirror that offers
// more than limit bytes is given up; others may know better.
func (c *Client) fetch(ctx context.Context, mirror string, h crescendo.Hash, limit int64, partial *bytes.Buffer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(c.o.Stall, func() {
		cancel(fmt.Errorf("%s sent nothing for %s", mirror, c.o.Stall))
	})
	defer stall.Stop()
	have := int64(partial.Len())
	header := http.Header{}
	if have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := c.send(ctx, http.MethodGet, mirror, h.String(), header, nil)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	total, err := c.expect(resp, mirror, partial)
	if err != nil {
		return err
	}
	if err := blob.CheckSize(h, total, limit); err != nil {
		return permanent{err}
	}
	partial.Grow(int(min(max(total-have, 0), trustedSize)))
	body := &progressReader{r: resp.Body, stall: stall, patience: c.o.Stall}
	_, err = io.Copy(partial, io.LimitReader(body, limit+1-int64(partial.Len())))
	if int64(partial.Len()) > limit {
		err := blob.CheckSize(h, int64(partial.Len()), limit)
		partial.Reset()
		return permanent{err}
	}
	if err == nil && total >= 0 && int64(partial.Len()) < total {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%s: after %d bytes: %w", mirror, partial.Len(), because(ctx, err))
	}
	return nil
}

// expect checks status and range of a response to fetch and returns the size
// of the whole object, or -1 when the mirror does not say.
func (c *Client) expect(resp *http.Response, mirror string, partial *bytes.Buffer) (int64, error) {
	switch resp.StatusCode {
	case http.StatusOK: // from the start, whatever was asked
		partial.Reset()
		return resp.ContentLength, nil
	case http.StatusPartialContent:
		var from, to, total int64
		field := resp.Header.Get("Content-Range")
		if _, err := fmt.Sscanf(field, "bytes %d-%d/%d", &from, &to, &total); err != nil || from != int64(partial.Len()) || to < from || total <= to {
			partial.Reset()
			return 0, fmt.Errorf("%s: answered with range %q", mirror, field)
		}
		return total, nil
	case http.StatusRequestedRangeNotSatisfiable:
		// Either we hold it all already or the mirror has another idea of the
		// object. The check of the hash, or the next mirror, will tell.
		if resp.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", partial.Len()) {
			resp.Body = http.NoBody
			return int64(partial.Len()), nil
		}
		partial.Reset()
		return 0, fmt.Errorf("%s: cannot resume", mirror)
	}
	return 0, failure(resp, mirror)
}

// progressReader pushes the stall timer back with every byte that arrives.
type progressReader struct {
	r        io.Reader
	stall    *time.Timer
	patience time.Duration
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.stall.Reset(p.patience)
	}
	return n, err
}

// because replaces a bare cancellation by what caused it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return cause
	}
	return err
}

func (c *Client) send(ctx context.Context, method, mirror, path string, header http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, mirror+"/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, permanent{err}
	}
	for key, values := range header {
		req.Header[key] = values
	}
	if c.o.Token != "" && (method == http.MethodPut || method == http.MethodDelete) {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	if len(body) > askFirst {
		req.Header.Set("Expect", "100-continue") // a refusal then arrives before the body is sent
	}
	return c.o.HTTP.Do(req)
}

// failure turns an answer that is not a success into an error.
func failure(resp *http.Response, mirror string) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorText))
	err := fmt.Errorf("%s: %s: %s", mirror, resp.Status, strconv.QuoteToGraphic(strings.TrimSpace(string(text))))
	for _, s := range statusOf {
		if resp.StatusCode == s.status {
			err = fmt.Errorf("%s: %w", mirror, s.err)
		}
	}
	if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusRequestTimeout {
		return permanent{err}
	}
	return err
}

// Put implements blob.Store.
func (c *Client) Put(ctx context.Context, data []byte) (crescendo.Hash, error) {
	h := blob.Sum(data)
	if err := blob.CheckSize(h, int64(len(data)), c.o.MaxBytes); err != nil {
		return crescendo.Hash{}, err
	}
	err := c.each(ctx, func(mirror string) error {
		return c.simple(ctx, http.MethodPut, mirror, h.String(), data)
	})
	if err != nil {
		return crescendo.Hash{}, fmt.Errorf("put blob %s: %w", h, err)
	}
	return h, nil
}

// Has implements blob.Store.
func (c *Client) Has(ctx context.Context, h crescendo.Hash) (bool, error) {
	err := c.each(ctx, func(mirror string) error {
		return c.simple(ctx, http.MethodHead, mirror, h.String(), nil)
	})
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for blob %s: %w", h, err)
	}
	return true, nil
}

// Delete implements blob.Store: the object goes from every mirror.
func (c *Client) Delete(ctx context.Context, h crescendo.Hash) error {
	for _, mirror := range c.mirrors {
		one := &Client{mirrors: []string{mirror}, o: c.o}
		err := one.each(ctx, func(mirror string) error {
			return one.simple(ctx, http.MethodDelete, mirror, h.String(), nil)
		})
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return fmt.Errorf("delete blob %s: %w", h, err)
		}
	}
	return nil
}

// simple makes a request whose answer is its status. The time allowed grows
// with what is sent: at least 64 KiB a second.
func (c *Client) simple(ctx context.Context, method, mirror, path string, body []byte) error {
	patience := c.o.Stall + time.Duration(len(body)/(64<<10))*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, patience,
		fmt.Errorf("%s did not answer within %s", mirror, patience))
	defer cancel()
	resp, err := c.send(ctx, method, mirror, path, nil, body)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return failure(resp, mirror)
	}
	return nil
}
