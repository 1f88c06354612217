package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo/ledger"
)

// maxAnswer bounds one answer of the node.
const maxAnswer = 64 << 20

// rpc speaks CometBFT's JSON-RPC.
type rpc struct {
	url  string
	http *http.Client
}

func newRPC(url string) *rpc {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
	}
	return &rpc{strings.TrimRight(url, "/"), &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// rpcError is an error the node answered with.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    string `json:"data"`
}

func (e *rpcError) Error() string { return strings.TrimSpace(e.Message + ": " + e.Data) }

type params map[string]any

// broadcast is the one method that changes something.
const broadcast = "broadcast_tx_sync"

// call does one request and decodes its result.
func (r *rpc) call(ctx context.Context, method string, p params, result any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": p})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask ledger at %s: %w", r.url, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if method != broadcast {
		// A node closes connections that were idle for ten seconds, and it may do
		// so while a question is on its way. This entry, which is not sent, lets
		// the transport ask again on a new connection.
		req.Header["Idempotency-Key"] = nil
	}
	raw, status, err := r.do(req)
	if err != nil {
		return err
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *rpcError       `json:"error"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("ask ledger at %s for %s: status %d, not JSON-RPC: %w", r.url, method, status, ledger.ErrUnavailable)
	}
	if answer.Error != nil {
		return fmt.Errorf("ask ledger for %s: %w", method, answer.Error)
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return fmt.Errorf("ask ledger for %s: %w", method, err)
	}
	return nil
}

func (r *rpc) do(req *http.Request) (body []byte, status int, err error) {
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, 0, r.unavailable(req.Context(), err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, 0, r.unavailable(req.Context(), err)
	}
	return raw, resp.StatusCode, nil
}

func (r *rpc) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("reach ledger at %s, is it running? %w: %w", r.url, ledger.ErrUnavailable, err)
}

// isNotYet reports whether the node answered that a height has not come.
func isNotYet(err error) bool {
	var e *rpcError
	return errors.As(err, &e) && strings.Contains(e.Data, "must be less than or equal to")
}
