package cosmos_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/program"
)

// With this variable set, the test binary is a ledger node on that home.
const nodeHome = "CRESCENDO_TEST_NODE_HOME"

func TestMain(m *testing.M) {
	if home := os.Getenv(nodeHome); home != "" {
		os.Exit(runNode(app.NodeConfig{
			Home: home, RPC: os.Getenv(nodeHome + "_RPC"), P2P: os.Getenv(nodeHome + "_P2P"), Peers: os.Getenv(nodeHome + "_PEERS"),
			Rules: program.Rules{}, BlockTime: 50 * time.Millisecond,
		}))
	}
	os.Exit(m.Run())
}

func runNode(c app.NodeConfig) int {
	n, err := app.StartNode(c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it
	if err := n.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// spawn starts a node as a process; it returns once its RPC answers.
func spawn(t *testing.T, c app.NodeConfig) child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nodeHome+"="+c.Home, nodeHome+"_RPC="+c.RPC, nodeHome+"_P2P="+c.P2P, nodeHome+"_PEERS="+c.Peers)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("node did not start: %v", err)
	}
	return child{cmd, stdin}
}

func (c child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait() // says that it was killed
}

// A node killed at any moment loses no transaction that was acknowledged,
// counts none twice, and its blocks executed again give the state it has.
func TestKilledNodeKeepsEverything(t *testing.T) {
	home, rpc := t.TempDir(), freePort(t)
	if err := app.Init(home, genesis()); err != nil {
		t.Fatal(err)
	}
	config := app.NodeConfig{Home: home, RPC: rpc}
	node := spawn(t, config)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	l, err := client.Dial(ctx, "http://"+rpc, client.Options{ChainID: genesis().ChainID})
	if err != nil {
		t.Fatal(err)
	}
	openRaise(t, l)
	var acknowledged crescendo.Amount
	for round := range 5 {
		work, stop := context.WithCancel(ctx)
		done := make(chan crescendo.Amount)
		go func() { done <- contributeUntil(work, t, l, round) }()
		time.Sleep(time.Duration(250+170*round) * time.Millisecond)
		node.kill(t)
		node = spawn(t, config)
		stop()
		acknowledged += <-done
	}
	if err := node.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := node.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	replayed, err := app.ReplayHome(ctx, home, program.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	spawn(t, config)
	l, err = client.Dial(ctx, "http://"+rpc, client.Options{ChainID: genesis().ChainID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Head(ctx); err != nil { // from now on nothing older is read
		t.Fatal(err)
	}
	if got, err := l.Balance(ctx, "@funding/1"); err != nil || got != acknowledged {
		t.Errorf("the pot holds %d (%v), acknowledged were %d", got, err, acknowledged)
	}
	raw, err := l.Block(ctx, crescendo.Height(replayed.Height)+1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := light.DecodeBlock(raw)
	if err != nil || string(b.Signed.Header.AppHash) != string(replayed.AppHash) {
		t.Errorf("block %d says app hash %X (%v), replay computed %X", replayed.Height+1, b.Signed.Header.AppHash, err, replayed.AppHash)
	}
	t.Logf("%d blocks, %d acknowledged over 5 kills", replayed.Height, acknowledged)
}

// contributeUntil submits one contribution after another and returns their
// sum. Submit itself waits out the node's restart.
func contributeUntil(ctx context.Context, t *testing.T, l ledger.Ledger, who int) crescendo.Amount {
	var sum crescendo.Amount
	for ctx.Err() == nil {
		_, err := l.Submit(context.WithoutCancel(ctx), person(who), contribute(who, 3))
		switch {
		case err == nil:
			sum += 3
		case errors.Is(err, ledger.ErrUnavailable):
			time.Sleep(20 * time.Millisecond)
		default:
			t.Errorf("contribute: %v", err)
			return sum
		}
	}
	return sum
}
