package machine

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// This very process is a Go program that started a little while ago and uses
// some memory.
func TestThisProcess(t *testing.T) {
	build, err := Build(Self)
	if err != nil || !regexp.MustCompile(`^build [0-9a-f]{8}, go1\.`).MatchString(build) {
		t.Errorf("build %q, %v", build, err)
	}
	if other, err := Build(Program(os.Getpid())); err != nil || other != build {
		t.Errorf("by its number it is %q, %v, by itself %q", other, err, build)
	}
	u, err := UsageOf(os.Getpid())
	if err != nil || u.Memory < 1<<20 || u.Memory > 1<<40 {
		t.Errorf("%+v, %v", u, err)
	}
	// Boot times are whole seconds; an hour allows for clocks that were set.
	if age := time.Since(u.Started); age < -time.Hour || age > 24*time.Hour {
		t.Errorf("it started at %v, %v ago", u.Started, age)
	}
	if _, err := UsageOf(1 << 30); err == nil {
		t.Error("a process that does not exist uses something")
	}
	if _, err := Build("/proc/self/status"); err == nil {
		t.Error("a text has a build")
	}
}
