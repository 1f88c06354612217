package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/crescendo-network/crescendo/role/vault/calls"
)

const childEnv = "CRESCENDO_TEST_SANDBOX"

// TestMain lets a child process enter the sandbox and try the doors: what a
// process has given up it cannot get back.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	measures := Enter(false)
	tried := map[string]string{}
	try := func(name string, do func() error) {
		if err := do(); err == nil {
			tried[name] = "possible"
		} else {
			tried[name] = ""
		}
	}
	try("read a file", func() error { _, err := os.ReadFile("/etc/hostname"); return err })
	try("list a folder", func() error { _, err := os.ReadDir("/"); return err })
	try("write a file", func() error { return os.WriteFile("/tmp/crescendo-sandbox-test", nil, 0o600) })
	try("dial", func() error { _, err := net.Dial("tcp", "127.0.0.1:9"); return err })
	try("listen", func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err })
	try("listen on a UNIX socket", func() error { _, err := net.Listen("unix", "@crescendo-sandbox-test"); return err })
	try("start a program", func() error { return exec.Command("/bin/true").Run() })
	json.NewEncoder(os.Stdout).Encode(report{measures, tried})
	os.Exit(0)
}

type report struct {
	Measures []calls.Measure
	Tried    map[string]string
}

func TestNothingIsPossibleInside(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	held := map[string]bool{}
	for _, m := range r.Measures {
		held[m.Name] = m.Held
		t.Log(fmt.Sprintf("%v %s %s", m.Held, m.Name, m.Detail))
	}
	if len(r.Tried) != 7 {
		t.Fatalf("tried %d things", len(r.Tried))
	}
	for name, outcome := range r.Tried {
		file := name == "read a file" || name == "list a folder" || name == "write a file"
		if outcome != "" && (!file || held["no files, no TCP (Landlock)"]) {
			t.Errorf("%s: %s", name, outcome)
		}
	}
}
