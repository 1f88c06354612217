package hub

import (
	"errors"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// TestHealth tells a hub that has all there is, however old, from one that is
// behind.
func TestHealth(t *testing.T) {
	last := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		missing crescendo.Height // blocks known to exist and not executed
		age     time.Duration
		stopped error
		wrong   []string
		status  string
		good    bool
	}{
		"running":                     {1, time.Second, nil, nil, "ok", true},
		"ended":                       {1, time.Hour, nil, nil, "idle", true},
		"ended, and signed":           {0, time.Hour, nil, nil, "idle", true},
		"a little behind":             {5, time.Second, nil, nil, "ok", true},
		"a little behind for an hour": {2, time.Hour, nil, nil, "behind", false},
		"catching up":                 {21, time.Second, nil, nil, "behind", false},
		"without an archive":          {1, time.Second, errors.New("gone"), nil, "behind", false},
		"another chain":               {1, time.Second, record.ErrChain, nil, "wrong", false},
		"a record that does not hold": {1, time.Second, nil, []string{"block 7"}, "wrong", false},
		"a clock that is slow":        {1, -time.Hour, nil, nil, "ok", true},
	} {
		n := record.Now{Height: 100, Target: 100 + c.missing, Time: last.UnixMilli(), Stopped: c.stopped, Wrong: c.wrong}
		got := healthOf(n, last.Add(c.age))
		if got.Status != c.status || got.good() != c.good || (got.Status != "ok") != (got.Problem != "" && got.Remedy != "") {
			t.Errorf("%s: %+v, want status %s, and a problem with a remedy unless it is ok", name, got, c.status)
		}
	}
	if got := healthOf(record.Now{}, last); got.Status != "ok" {
		t.Errorf("before the first block: %+v", got)
	}
}
