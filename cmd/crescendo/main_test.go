package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/node/home"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"crescendo": func() { os.Exit(run()) },
		"status":    status,
		"await":     await,
		"holdlock":  holdLock,
		"holdport":  holdPort,
		"makemodel": makeModel,
	})
}

// status runs a command and succeeds if that ends with the status named
// first.
func status() {
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Run()
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != os.Args[1] {
		println("status", got)
		os.Exit(1)
	}
}

// await runs a command again and again until its output matches the pattern
// named first.
func await() {
	pattern := regexp.MustCompile(os.Args[1])
	var out []byte
	for end := time.Now().Add(20 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		out, _ = exec.Command(os.Args[2], os.Args[3:]...).CombinedOutput()
		if pattern.Match(out) {
			return
		}
	}
	os.Stderr.Write(out)
	os.Exit(1)
}

// holdLock owns the home named by its argument while it runs the command that
// follows.
func holdLock() {
	h, err := home.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	lock, err := h.Lock()
	if err != nil {
		panic(err)
	}
	defer lock.Release()
	runRest(os.Args[2:])
}

// holdPort listens on a free port while it runs the command that follows, in
// which PORT stands for it.
func holdPort() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	args := os.Args[1:]
	for i, a := range args {
		if a == "127.0.0.1:PORT" {
			args[i] = "127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		}
	}
	runRest(args)
}

func runRest(args []string) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if cmd.Run() != nil {
		os.Exit(cmd.ProcessState.ExitCode())
	}
}

func TestScript(t *testing.T) { play(t, "testdata") }

// TestTutorial walks through docs/tutorial.md with real processes. It takes a
// minute or two, so it runs only where CRESCENDO_BIN names the directory of
// the three programs: make tutorial-test.
func TestTutorial(t *testing.T) {
	if os.Getenv("CRESCENDO_BIN") == "" {
		t.Skip("CRESCENDO_BIN is not set")
	}
	play(t, "testdata/tutorial")
}

// TestWallet has CosmJS read, send, sign and log in, as wallets and explorers
// do. It runs only where CRESCENDO_COSMJS names a folder that has CosmJS
// installed: make wallet-test.
func TestWallet(t *testing.T) {
	if os.Getenv("CRESCENDO_BIN") == "" || os.Getenv("CRESCENDO_COSMJS") == "" {
		t.Skip("CRESCENDO_BIN or CRESCENDO_COSMJS is not set")
	}
	play(t, "testdata/walletjs")
}

func play(t *testing.T, dir string) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PROGRAMS", filepath.Join(root, "programs"))
			e.Setenv("CRESCENDO_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("BIN", os.Getenv("CRESCENDO_BIN"))
			e.Setenv("TOOLS", filepath.Join(root, "tools"))
			e.Setenv("CRESCENDO_COSMJS", os.Getenv("CRESCENDO_COSMJS"))
			return nil
		},
	})
}
