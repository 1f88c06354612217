package serve

import (
	"context"
	"io"
)

// A Stream is the answer to one request. One goroutine reads it; Close may come
// from any.
type Stream struct {
	server *Server
	seq    *sequence
	ready  chan struct{} // holds one signal: something changed
	done   chan struct{} // closed once no page is held

	// guarded by server.mu
	tokens []Token
	ended  bool
	err    error // io.EOF for an answer that is complete
	finish Finish
	usage  Usage
}

// Usage is what a request took.
type Usage struct {
	Prompt    int  // tokens
	Cached    int  // of those, taken from the prefix cache
	Generated int  // including the stop token, if one came
	Started   bool // its turn has come
}

// Next waits for the next token. After the last it returns io.EOF. If ctx ends
// first it returns ctx's error, and may be called again.
func (s *Stream) Next(ctx context.Context) (Token, error) {
	for {
		s.server.mu.Lock()
		if len(s.tokens) > 0 {
			t := s.tokens[0]
			s.tokens[0] = Token{}
			s.tokens = s.tokens[1:]
			s.server.mu.Unlock()
			return t, nil
		}
		err := s.err
		ended := s.ended
		s.server.mu.Unlock()
		if ended {
			return Token{}, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Token{}, ctx.Err()
		}
	}
}

// Finish says why the answer ended; it is empty unless Next has returned io.EOF.
func (s *Stream) Finish() Finish {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return s.finish
}

// Usage is what the request has taken so far.
func (s *Stream) Usage() Usage {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return s.usage
}

// Close ends the request, if it has not ended, forgets tokens not read, and
// returns once its pages are free, which takes at most one step.
func (s *Stream) Close() {
	s.server.cancel(s.seq, context.Canceled)
	<-s.done
	s.server.mu.Lock()
	clear(s.tokens)
	s.tokens = nil
	s.server.mu.Unlock()
}

// end is called with server.mu held, once.
func (s *Stream) end(finish Finish, err error) {
	s.ended, s.finish, s.err = true, finish, err
	if err == nil {
		s.err = io.EOF
	}
	s.signal()
	close(s.done)
}

func (s *Stream) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}
