package wire

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
)

// A Stream is one call: messages in both directions. Send and Recv may be used
// by one goroutine each; Cancel by any.
type Stream struct {
	conn   *Conn
	id     uint32
	caller bool
	cancel context.CancelFunc // of the handler's context

	mu      sync.Mutex // guards what follows
	changed sync.Cond
	inbox   [][]byte
	pending int // bytes in inbox
	unacked int // bytes handed out by the last Recv
	sent    int // bytes sent in all
	acked   int // of them, consumed by the reader
	end     error
}

func newStream(c *Conn, id uint32, cancel context.CancelFunc) *Stream {
	s := &Stream{conn: c, id: id, cancel: cancel}
	s.changed.L = &s.mu
	return s
}

// abort ends the stream on this side. The caller may hold conn.mu.
func (s *Stream) abort(err error) {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end = err
	}
	s.changed.Broadcast()
}

// receive takes a frame from the connection's reader; it never blocks.
func (s *Stream) receive(kind byte, body []byte) error {
	switch kind {
	case kindEnd:
		s.abortAfter(io.EOF)
	case kindFail:
		s.abortAfter(failureFrom(body))
	case kindCancel:
		s.abort(context.Canceled)
	case kindAck:
		return s.credit(body)
	case kindData:
		return s.enqueue(body)
	default:
		return fmt.Errorf("frame kind %d: %w", kind, errProtocol)
	}
	return nil
}

// abortAfter ends the stream once the inbox has been read. On the caller's
// side the call is over; on the handler's side only its input is.
func (s *Stream) abortAfter(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end = err
	}
	s.changed.Broadcast()
}

func (s *Stream) credit(body []byte) error {
	if len(body) != 4 {
		return fmt.Errorf("bad acknowledgement: %w", errProtocol)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked += int(binary.BigEndian.Uint32(body))
	if s.acked > s.sent {
		return fmt.Errorf("more acknowledged than sent: %w", errProtocol)
	}
	s.changed.Broadcast()
	return nil
}

func (s *Stream) enqueue(body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending+s.unacked+len(body) > window {
		return fmt.Errorf("more sent than the window: %w", errProtocol)
	}
	s.inbox = append(s.inbox, body)
	s.pending += len(body)
	s.changed.Broadcast()
	return nil
}

// Recv returns the next message; io.EOF after the last. Calling it also says
// that the previous message has been dealt with.
func (s *Stream) Recv() ([]byte, error) {
	s.mu.Lock()
	if n := s.unacked; n > 0 {
		s.unacked = 0
		s.mu.Unlock()
		s.conn.write(s.id, kindAck, binary.BigEndian.AppendUint32(nil, uint32(n)))
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	for len(s.inbox) == 0 && s.end == nil {
		s.changed.Wait()
	}
	if len(s.inbox) > 0 {
		m := s.inbox[0]
		s.inbox = s.inbox[1:]
		s.pending -= len(m)
		s.unacked = len(m)
		return m, nil
	}
	s.forget()
	return nil, s.end
}

// RecvInto reads the next message into a struct.
func (s *Stream) RecvInto(dst any) error {
	m, err := s.Recv()
	if err != nil {
		return err
	}
	return canon.Decode(m, dst)
}

// Send sends a message of at most MaxFrame bytes; it waits while the reader
// is behind.
func (s *Stream) Send(message []byte) error { return s.send(message, window) }

// SendWithin sends a message and then waits until at most ahead bytes are on
// their way, so that the sender does not run far ahead of the reader.
func (s *Stream) SendWithin(message []byte, ahead int) error {
	if err := s.send(message, window); err != nil {
		return err
	}
	return s.wait(ahead)
}

func (s *Stream) send(message []byte, limit int) error {
	if len(message) == 0 || len(message) > MaxFrame {
		return crescendo.Errorf(crescendo.CodeInvalid, "message of %d bytes, want 1 to %d", len(message), MaxFrame)
	}
	if err := s.wait(limit - len(message)); err != nil {
		return err
	}
	s.mu.Lock()
	s.sent += len(message)
	s.mu.Unlock()
	return s.conn.write(s.id, kindData, message)
}

func (s *Stream) wait(ahead int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.sent-s.acked > ahead && !s.broken() {
		s.changed.Wait()
	}
	if s.broken() {
		return s.end
	}
	return nil
}

// broken reports whether nobody reads any more. The end of a caller's messages
// does not stop the handler from answering.
func (s *Stream) broken() bool { return s.end != nil && (s.caller || s.end != io.EOF) }

// Acked returns how many bytes of what was sent the reader has dealt with.
func (s *Stream) Acked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// SendAll sends data of any size in messages.
func (s *Stream) SendAll(data []byte) error {
	for len(data) > 0 {
		n := min(len(data), MaxFrame)
		if err := s.Send(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// CloseSend says that the caller sends no more messages.
func (s *Stream) CloseSend() error { return s.conn.write(s.id, kindEnd) }

// Cancel gives the call up. It is safe to call at any time, also after the
// end.
func (s *Stream) Cancel() {
	s.mu.Lock()
	over := s.end != nil
	s.mu.Unlock()
	if !over {
		s.conn.write(s.id, kindCancel)
	}
	s.abort(context.Canceled)
	s.forget()
}

// forget takes a caller's stream off the connection once it has ended.
func (s *Stream) forget() {
	if !s.caller {
		return
	}
	go func() { // conn.mu is taken before stream.mu, never after
		s.conn.mu.Lock()
		delete(s.conn.streams, s.id)
		s.conn.mu.Unlock()
	}()
}
