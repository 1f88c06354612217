package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
)

func pair(t *testing.T, serve Handler) *Conn {
	t.Helper()
	a, b := net.Pipe()
	client := New(a, true, func(context.Context, string, []byte, *Stream) error { return errors.New("nothing here") })
	server := New(b, false, serve)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client
}

type echo struct {
	Text string `pb:"1"`
}

func TestManyCallsAtOnce(t *testing.T) {
	c := pair(t, func(_ context.Context, method string, args []byte, s *Stream) error {
		if method == "echo" {
			return s.Send(args)
		}
		return crescendo.Errorf(crescendo.CodeNotFound, "no method %s", method).WithHint("try echo")
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			want := echo{fmt.Sprint("message ", i)}
			var got echo
			if err := c.Do(t.Context(), "echo", want, &got); err != nil || got != want {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
	err := c.Do(t.Context(), "nothing", echo{}, nil)
	var e *crescendo.Error
	if !errors.As(err, &e) || e.Code != crescendo.CodeNotFound || e.Hint != "try echo" {
		t.Errorf("got %v", err)
	}
}

func TestLargeAnswersFlow(t *testing.T) {
	want := bytes.Repeat([]byte("crescendo"), 2<<20)
	c := pair(t, func(_ context.Context, _ string, _ []byte, s *Stream) error { return s.SendAll(want) })
	got, err := c.DoBytes(t.Context(), "blob", echo{}, 1<<30)
	if err != nil || !bytes.Equal(got, want) {
		t.Error(len(got), err)
	}
	if _, err := c.DoBytes(t.Context(), "blob", echo{}, 1000); err == nil {
		t.Error("limit ignored")
	}
}

func TestSlowReaderHoldsUpItsOwnStreamOnly(t *testing.T) {
	sent := make(chan int, 1000)
	c := pair(t, func(_ context.Context, method string, args []byte, s *Stream) error {
		if method == "echo" {
			return s.Send(args)
		}
		for i := range 100 {
			if err := s.SendWithin(make([]byte, 100), 300); err != nil {
				return err
			}
			sent <- i
		}
		return nil
	})
	s, err := c.Call("stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), "echo", echo{"x"}, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if n := len(sent); n > 4 {
		t.Errorf("%d messages ahead of a reader that reads nothing", n)
	}
	n := 0
	for {
		if _, err := s.Recv(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 100 {
		t.Errorf("%d messages", n)
	}
}

func TestCancelReachesTheHandler(t *testing.T) {
	ended := make(chan error, 2)
	c := pair(t, func(ctx context.Context, _ string, _ []byte, s *Stream) error {
		s.Send([]byte("first"))
		<-ctx.Done()
		ended <- s.Send([]byte("second"))
		return ctx.Err()
	})
	s, err := c.Call("wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Recv(); err != nil || string(m) != "first" {
		t.Fatal(m, err)
	}
	s.Cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("sent to a caller that is gone")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("handler was not cancelled")
	}
}

func TestPanicStaysInside(t *testing.T) {
	c := pair(t, func(context.Context, string, []byte, *Stream) error { panic("secret") })
	err := c.Do(t.Context(), "boom", echo{}, nil)
	if crescendo.CodeOf(err) != crescendo.CodeInternal || bytes.Contains([]byte(err.Error()), []byte("secret")) {
		t.Errorf("got %v", err)
	}
}

func TestClosedConnection(t *testing.T) {
	a, b := net.Pipe()
	c := New(a, true, nil)
	go func() { time.Sleep(10 * time.Millisecond); b.Close() }()
	if err := c.Do(t.Context(), "x", echo{}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x06\x00\x00\x00\x02\x01echo\x00a"))
	f.Add([]byte("\x00\x00\x00\x05\x00\x00\x00\x02\x01echo\x00\x00\x00\x00\x00\x00\x00\x02\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := net.Pipe()
		c := New(a, true, func(_ context.Context, _ string, args []byte, s *Stream) error { return nil })
		go io.Copy(io.Discard, b)
		b.SetWriteDeadline(time.Now().Add(time.Second))
		b.Write(data)
		b.Close()
		<-c.Done()
	})
}
