package up

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/node/report"
)

// TestProcessesKilledAtRandom plays the smoke programme with real programs
// while every kind of process, `up` itself included, is killed at seeded
// moments. It takes minutes, so it runs only where CRESCENDO_BIN names the
// directory of the three programs: make kill-test. CRESCENDO_SEED repeats a
// failure.
func TestProcessesKilledAtRandom(t *testing.T) {
	bin := os.Getenv("CRESCENDO_BIN")
	if bin == "" {
		t.Skip("CRESCENDO_BIN is not set")
	}
	seed, err := strconv.ParseUint(os.Getenv("CRESCENDO_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().Unix()) % 1000
	}
	dir := t.TempDir()
	h, err := home.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d; repeat with CRESCENDO_SEED=%d", seed, seed)
	k := &killer{t: t, bin: bin, home: h, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), killed: map[string]int{}}
	summary := k.play(45 * time.Minute)
	t.Logf("killed %v in %v s", k.killed, summary.Seconds)
	if !summary.SupplyConserved || len(summary.Rungs) != 2 {
		t.Fatalf("summary %+v", summary)
	}
	for _, r := range summary.Rungs {
		if sum := r.Paid.Operators + r.Paid.Holders + r.Paid.Contributors + r.Paid.NextRung + r.Paid.Remainder; sum != r.Revenue || sum == 0 {
			t.Errorf("rung %d earned %d and paid %d", r.Rung, r.Revenue, sum)
		}
		if r.BitsPerByte >= r.BitsPerByteBigram {
			t.Errorf("rung %d: %.3f bits/byte, a bigram model has %.3f", r.Rung, r.BitsPerByte, r.BitsPerByteBigram)
		}
	}
	var replayed struct{ Height int64 }
	if out, err := exec.Command(filepath.Join(bin, "crescendo-ledger"), "replay", "--home", h.Path("ledger")).Output(); err != nil {
		t.Errorf("replay: %v", err)
	} else if err := json.Unmarshal(out, &replayed); err != nil || replayed.Height == 0 {
		t.Errorf("replay printed %s: %v", out, err)
	}
	if out, err := exec.Command(filepath.Join(bin, "crescendo"), "audit", "--home", dir, "--json").CombinedOutput(); err != nil {
		t.Errorf("audit: %v\n%s", err, out)
	}
}

type killer struct {
	t      *testing.T
	bin    string
	home   home.Home
	seed   uint64
	rng    *rand.Rand
	killed map[string]int
}

// play runs `up` until it is done, as often as it is killed.
func (k *killer) play(limit time.Duration) report.Programme {
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		cmd := exec.Command(filepath.Join(k.bin, "crescendo"), "up", "--program", "../../programs/smoke.yaml", "--rungs", "2",
			"--seed", fmt.Sprint(k.seed), "--exit", "--json", "--home", k.home.Dir)
		var out, log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &log
		if err := cmd.Start(); err != nil {
			k.t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		again, err := k.disturb(done, cmd.Process.Pid, end)
		if again {
			continue
		}
		if err != nil {
			k.t.Fatalf("up: %v\n%s", err, log.Bytes()[max(0, log.Len()-4000):])
		}
		var summary report.Programme
		if err := json.Unmarshal(out.Bytes(), &summary); err != nil {
			k.t.Fatalf("up printed %s: %v", out.Bytes(), err)
		}
		return summary
	}
	k.t.Fatal("the programme does not come to its end")
	return report.Programme{}
}

// disturb kills processes until `up` ends; again says that it was killed
// itself.
func (k *killer) disturb(done chan error, up int, end time.Time) (again bool, err error) {
	for {
		select {
		case err := <-done:
			return false, err
		case <-time.After(time.Duration(2000+k.rng.IntN(8000)) * time.Millisecond):
		}
		if time.Now().After(end) {
			k.t.Fatal("the programme does not come to its end")
		}
		var run RunFile
		if k.home.ReadJSON("run.json", &run) != nil || len(run.Processes) < 5 {
			continue
		}
		roles := []string{"ledger", "archive", "trainer", "evaluator", "keeper", "relay", "vault", "client", "up"}
		role := roles[k.rng.IntN(len(roles))]
		if role == "up" && k.rng.IntN(2) > 0 {
			continue
		}
		for _, i := range k.rng.Perm(len(run.Processes)) {
			p := run.Processes[i]
			if p.Role != role || !descends(p.PID, up) || syscall.Kill(p.PID, syscall.SIGKILL) != nil {
				continue
			}
			k.killed[role]++
			if role == "up" {
				<-done
				return true, nil
			}
			break
		}
	}
}

// descends keeps the test from killing strangers: run.json may be a moment
// old.
func descends(pid, ancestor int) bool {
	for ; pid > 1; pid = machine.Parent(pid) {
		if pid == ancestor {
			return true
		}
	}
	return false
}
