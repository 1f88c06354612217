// Package wire carries calls both ways over the one socket that a vault has:
// many streams at once, each with flow control, so that a slow reader holds up
// nobody else and nothing is buffered without bound.
//
// It is not encrypted and trusts neither end: whoever reads frames bounds them.
// What must stay secret is sealed before it gets here.
package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
)

// Bounds of the protocol.
const (
	MaxFrame   = 1 << 20 // body of one frame
	window     = 4 << 20 // bytes a stream may have sent that the reader has not consumed
	maxStreams = 256     // open calls from the other side
	headerSize = 9
	maxMethod  = 64
)

// ErrClosed means that the other side has gone.
var ErrClosed = errors.New("connection to the other side is closed")

var errProtocol = errors.New("wire protocol violated")

const (
	kindCall   = iota + 1 // method, zero byte, arguments
	kindData              // one message
	kindEnd               // no more messages in this direction
	kindFail              // the call has failed: a failure
	kindCancel            // the caller has lost interest
	kindAck               // so many bytes were consumed
)

// Handler serves one call. It reads and writes the stream; its return ends
// the call. The context ends when the caller cancels or goes.
type Handler func(ctx context.Context, method string, args []byte, s *Stream) error

// Conn is one end of the socket.
type Conn struct {
	rw     io.ReadWriteCloser
	serve  Handler
	parity uint32

	writing sync.Mutex // held for each frame written
	w       *bufio.Writer

	mu      sync.Mutex // guards what follows
	streams map[uint32]*Stream
	next    uint32
	serving int
	err     error
	done    chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
}

// New runs the protocol over rw. Exactly one of the two ends is first.
func New(rw io.ReadWriteCloser, first bool, serve Handler) *Conn {
	c := &Conn{
		rw: rw, serve: serve, w: bufio.NewWriterSize(rw, 64<<10),
		streams: map[uint32]*Stream{}, done: make(chan struct{}),
	}
	if first {
		c.parity = 1
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	go c.read()
	return c
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close ends the connection and every call on it.
func (c *Conn) Close() error { c.fail(ErrClosed); return nil }

func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	c.cancel()
	for _, s := range c.streams {
		s.abort(err)
	}
	c.rw.Close()
	close(c.done)
}

func (c *Conn) write(stream uint32, kind byte, body ...[]byte) error {
	n := 0
	for _, b := range body {
		n += len(b)
	}
	if n > MaxFrame {
		return fmt.Errorf("frame of %d bytes, limit %d", n, MaxFrame)
	}
	var head [headerSize]byte
	binary.BigEndian.PutUint32(head[:], uint32(n))
	binary.BigEndian.PutUint32(head[4:], stream)
	head[8] = kind
	c.writing.Lock()
	defer c.writing.Unlock()
	c.w.Write(head[:])
	for _, b := range body {
		c.w.Write(b)
	}
	if err := c.w.Flush(); err != nil { // the first error sticks in a bufio.Writer
		c.fail(ErrClosed)
		return ErrClosed
	}
	return nil
}

func (c *Conn) read() {
	r := bufio.NewReaderSize(c.rw, 64<<10)
	for {
		var head [headerSize]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			c.fail(ErrClosed)
			return
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > MaxFrame {
			c.fail(fmt.Errorf("frame of %d bytes: %w", n, errProtocol))
			return
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			c.fail(ErrClosed)
			return
		}
		if err := c.frame(binary.BigEndian.Uint32(head[4:]), head[8], body); err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *Conn) frame(id uint32, kind byte, body []byte) error {
	if kind == kindCall {
		return c.accept(id, body)
	}
	c.mu.Lock()
	s := c.streams[id]
	c.mu.Unlock()
	if s == nil {
		return nil // ended on this side already
	}
	return s.receive(kind, body)
}

// accept starts a handler for a call of the other side.
func (c *Conn) accept(id uint32, body []byte) error {
	method, args, ok := cutMethod(body)
	if !ok || id%2 == c.parity {
		return fmt.Errorf("bad call: %w", errProtocol)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	s := newStream(c, id, cancel)
	c.mu.Lock()
	if _, taken := c.streams[id]; taken || c.err != nil {
		c.mu.Unlock()
		cancel()
		return fmt.Errorf("call on an open stream: %w", errProtocol)
	}
	if c.serving >= maxStreams {
		c.mu.Unlock()
		cancel()
		go c.write(id, kindFail, failureOf(crescendo.Errorf(crescendo.CodeForbidden, "too many calls at once")))
		return nil
	}
	c.serving++
	c.streams[id] = s
	c.mu.Unlock()
	go func() {
		defer cancel()
		err := c.call(ctx, method, args, s)
		c.mu.Lock()
		c.serving--
		delete(c.streams, id)
		c.mu.Unlock()
		if err != nil {
			c.write(id, kindFail, failureOf(err))
		} else {
			c.write(id, kindEnd)
		}
	}()
	return nil
}

// call keeps a panic in a handler from ending the process, and its text from
// leaving it.
func (c *Conn) call(ctx context.Context, method string, args []byte, s *Stream) (err error) {
	defer func() {
		if recover() != nil {
			err = crescendo.Errorf(crescendo.CodeInternal, "%s: internal error", method)
		}
	}()
	return c.serve(ctx, method, args, s)
}

func cutMethod(body []byte) (string, []byte, bool) {
	for i, b := range body[:min(len(body), maxMethod)] {
		if b == 0 {
			return string(body[:i]), body[i+1:], true
		}
	}
	return "", nil, false
}

// Call starts a call. The caller must read the stream to its end or Cancel it.
func (c *Conn) Call(method string, args []byte) (*Stream, error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, c.err
	}
	c.next++
	s := newStream(c, c.next*2+c.parity, func() {})
	s.caller = true
	c.streams[s.id] = s
	c.mu.Unlock()
	if err := c.write(s.id, kindCall, []byte(method), []byte{0}, args); err != nil {
		s.Cancel()
		return nil, err
	}
	return s, nil
}

// Do makes a call with one answer: args and reply are structs for canon; reply
// may be nil.
func (c *Conn) Do(ctx context.Context, method string, args, reply any) error {
	raw, err := c.DoBytes(ctx, method, args, canon.MaxSize)
	if err != nil {
		return err
	}
	if reply == nil {
		return nil
	}
	if err := canon.Decode(raw, reply); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// DoBytes makes a call and returns all messages of its answer joined, at most
// limit bytes.
func (c *Conn) DoBytes(ctx context.Context, method string, args any, limit int64) ([]byte, error) {
	s, err := c.Call(method, canon.Encode(args))
	if err != nil {
		return nil, err
	}
	defer s.Cancel()
	defer context.AfterFunc(ctx, s.Cancel)()
	var out []byte
	for {
		part, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, err
		}
		if int64(len(out)+len(part)) > limit {
			return nil, crescendo.Errorf(crescendo.CodeInvalid, "%s: answer above %d bytes", method, limit)
		}
		if out == nil {
			out = part
		} else {
			out = append(out, part...)
		}
	}
}

// failure is the wire form of an error.
type failure struct {
	Code string `pb:"1"`
	Text string `pb:"2"`
	Hint string `pb:"3"`
}

func failureOf(err error) []byte {
	f := failure{Code: string(crescendo.CodeOf(err)), Text: err.Error()}
	var e *crescendo.Error
	if errors.As(err, &e) {
		f.Hint = e.Hint
	}
	f.Text = f.Text[:min(len(f.Text), 4096)]
	return canon.Encode(f)
}

func failureFrom(body []byte) error {
	var f failure
	if err := canon.Decode(body, &f); err != nil {
		return crescendo.Errorf(crescendo.CodeInternal, "the other side failed without saying why")
	}
	return &crescendo.Error{Code: crescendo.Code(f.Code), Text: f.Text, Hint: f.Hint}
}
