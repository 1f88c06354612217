package browsertest

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// child is a process that a test has started.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	said  bytes.Buffer // not to be read before done is closed
	done  chan struct{}
	ended sync.Once
}

// start starts a process that ends with the test, or before.
func start(t *testing.T, path string, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(path, args...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.cmd.Wait()
		close(c.done)
	}()
	t.Cleanup(c.stop)
	return c
}

// gone reports whether it has ended.
func (c *child) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// stop interrupts it, and kills it if that is not enough.
func (c *child) stop() {
	c.ended.Do(func() {
		c.cmd.Process.Signal(os.Interrupt)
		select {
		case <-c.done:
		case <-time.After(patience):
			c.t.Errorf("%v does not stop", c.cmd.Args)
			c.cmd.Process.Kill()
			<-c.done
		}
		if c.t.Failed() {
			c.t.Logf("%v said:\n%s", c.cmd.Args, c.said.Bytes()[max(0, c.said.Len()-4000):])
		}
	})
}
