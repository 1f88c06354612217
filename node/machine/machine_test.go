package machine

import (
	"os"
	"testing"
)

func TestFactsAreThere(t *testing.T) {
	if Cores() < 1 {
		t.Errorf("%d cores", Cores())
	}
	if Memory() == 0 {
		t.Error("no memory")
	}
	if free, err := Disk(t.TempDir()); err != nil || free == 0 {
		t.Error(free, err)
	}
	if _, err := Disk("/no/such/place"); err == nil {
		t.Error("a place that does not exist has space")
	}
	if got := Parent(os.Getpid()); got != os.Getppid() {
		t.Errorf("parent %d, want %d", got, os.Getppid())
	}
	if got := Parent(1 << 30); got != 0 {
		t.Errorf("a process that does not exist has parent %d", got)
	}
	if _, err := Sibling("no-such-program-of-ours"); err == nil {
		t.Error("found a program that does not exist")
	}
}
