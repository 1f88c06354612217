package relay

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/inference/prompt"
)

// deadlines records what a handler asks of its connection.
type deadlines struct {
	*httptest.ResponseRecorder
	set []bool // whether a deadline was set or taken back
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, !t.IsZero())
	return nil
}

// Whoever sends slowly holds one of few places, so it has a deadline; and none any
// more while it is answered.
func TestSlowSendersHaveADeadline(t *testing.T) {
	r := &Relay{limit: make(chan struct{}, 1)}
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	body := strings.NewReader("no envelope")
	req := httptest.NewRequest(http.MethodPost, "/v1/sealed", io.NopCloser(readsFunc(func(p []byte) (int, error) {
		if len(w.set) != 1 || !w.set[0] {
			t.Errorf("read with the deadlines %v, want one", w.set)
		}
		return body.Read(p)
	})))
	req.Header.Set("Content-Type", prompt.ContentType)
	r.sealed(w, req)
	if len(w.set) != 2 || w.set[1] || w.Code != http.StatusBadRequest {
		t.Errorf("status %d, deadlines %v, want one that is taken back", w.Code, w.set)
	}
	if len(r.limit) != 0 {
		t.Error("the place is still held")
	}
}

type readsFunc func([]byte) (int, error)

func (f readsFunc) Read(p []byte) (int, error) { return f(p) }
