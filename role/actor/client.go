package actor

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
)

// Bounds on what a demo client waits for and reads.
const (
	askTimeout  = 2 * time.Minute
	maxAnswer   = 1 << 20
	settleLooks = 200 // looks at a session before it is taken for stuck
	settleWait  = 150 * time.Millisecond
)

// Client is a demo client: it asks each served model as often as it was told
// to, through a proxy of its own as any OpenAI client would.
type Client struct {
	Ledger    ledger.Ledger
	Signer    ledger.Signer
	Rungs     int
	Requests  int // per rung
	MaxTokens int
	Prompt    string
	// Proxy runs an inference proxy for one rung until ctx ends, and closes its
	// sessions then. It calls ready with the proxy's base URL.
	Proxy func(ctx context.Context, rung crescendo.RungID, ready func(baseURL string)) error
	Log   *slog.Logger
}

// Name implements Actor.
func (c *Client) Name() string { return "demo client" }

// Kinds implements Actor.
func (c *Client) Kinds() []string {
	return []string{"program.stage", "sealing.sealed", "sealing.handed-over", "sealing.vault-accepted", "inference.closed"}
}

// Act implements Actor.
func (c *Client) Act(ctx context.Context, state ledger.State) error {
	for r := 1; r <= c.Rungs; r++ {
		rung := crescendo.RungID(r)
		at, err := program.Rungs.Get(state, uint32(rung))
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if at.Stage != program.StageServing && at.Stage != program.StageOpened {
			continue
		}
		if err := c.serveRung(ctx, state, rung); err != nil {
			return fmt.Errorf("rung %d: %w", rung, err)
		}
	}
	return nil
}

// serveRung asks what is still missing, counted by what has been settled, so
// that a client that was killed neither stops short nor starts over.
func (c *Client) serveRung(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	settled, open, err := c.usage(state, rung)
	if err != nil || settled >= uint64(c.Requests) && len(open) == 0 {
		return err
	}
	if len(open) > 0 {
		return c.closeAll(ctx, open)
	}
	proxyCtx, stop := context.WithCancel(ctx)
	defer stop()
	address := make(chan string, 1)
	ended := make(chan error, 1)
	go func() { ended <- c.Proxy(proxyCtx, rung, func(url string) { address <- url }) }()
	select {
	case url := <-address:
		err = c.askAll(ctx, url, c.Requests-int(settled))
	case err = <-ended:
		return err
	case <-ctx.Done():
	}
	stop()
	if closed := <-ended; err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return c.awaitSettlement(ctx, rung)
}

// usage sums up this client's sessions with a rung.
func (c *Client) usage(r kv.Reader, rung crescendo.RungID) (requests uint64, open []uint64, err error) {
	mine, err := inference.ByClient.List(r, nil, kv.MaxPage, string(c.Signer.Account()))
	if err != nil {
		return 0, nil, err
	}
	for _, entry := range mine {
		if len(entry.Rest) != 8 {
			continue
		}
		id := binary.BigEndian.Uint64(entry.Rest)
		s, err := inference.Sessions.Get(r, id)
		if err != nil {
			return 0, nil, err
		}
		if s.Rung != rung {
			continue
		}
		requests += s.Requests
		if !s.Closed {
			open = append(open, id)
		}
	}
	return requests, open, nil
}

// closeAll closes sessions that an earlier life has left open, and waits
// until their last receipts are settled.
func (c *Client) closeAll(ctx context.Context, ids []uint64) error {
	for _, id := range ids {
		_, err := c.Ledger.Submit(ctx, c.Signer, &inference.MsgClose{Sender: c.Signer.Account(), Session: id})
		if err != nil && crescendo.CodeOf(err) != crescendo.CodeDuplicate {
			return err
		}
	}
	return nil // inference.closed brings us back
}

func (c *Client) awaitSettlement(ctx context.Context, rung crescendo.RungID) error {
	for range settleLooks {
		state, err := c.Ledger.State(ctx)
		if err != nil {
			return err
		}
		if _, open, err := c.usage(state, rung); err != nil || len(open) == 0 {
			return err
		}
		pause(ctx, settleWait)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("sessions with rung %d do not close: %w", rung, ledger.ErrUnavailable)
}

func (c *Client) askAll(ctx context.Context, baseURL string, n int) error {
	for i := range n {
		answer, err := c.ask(ctx, baseURL, i%2 == 1)
		if err != nil {
			return fmt.Errorf("request %d: %w", i+1, err)
		}
		c.Log.Info("answered", "request", i+1, "characters", len(answer))
	}
	return nil
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// ask sends one chat completion, plain or streamed.
func (c *Client) ask(ctx context.Context, baseURL string, stream bool) (string, error) {
	model, err := c.model(ctx, baseURL)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{
		"model": model, "max_tokens": max(1, c.MaxTokens), "temperature": 0, "stream": stream,
		"messages": []chatMessage{{"user", c.Prompt}},
	})
	if err != nil {
		return "", fmt.Errorf("write request: %w", err)
	}
	answer, err := call(ctx, http.MethodPost, baseURL+"/chat/completions", body)
	if err != nil || stream {
		return string(answer), err
	}
	var parsed struct {
		Choices []struct {
			Message chatMessage `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(answer, &parsed); err != nil || len(parsed.Choices) == 0 {
		return "", fmt.Errorf("read answer: no choice in it: %w", err)
	}
	return parsed.Choices[0].Message.Content, nil
}

// model is the first model the proxy offers.
func (c *Client) model(ctx context.Context, baseURL string) (string, error) {
	raw, err := call(ctx, http.MethodGet, baseURL+"/models", nil)
	if err != nil {
		return "", err
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list.Data) == 0 {
		return "", fmt.Errorf("no model is offered: %w", ledger.ErrUnavailable)
	}
	return list.Data[0].ID, nil
}

// call does one HTTP request. Statuses that mean "not yet" are an
// ErrUnavailable: the client looks again later.
func call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask proxy: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask proxy: %w: %w", ledger.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w: %w", ledger.ErrUnavailable, err)
	}
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		return nil, fmt.Errorf("ask proxy: %w: %s: %.300s", ledger.ErrUnavailable, resp.Status, answer)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask proxy: %s: %.300s", resp.Status, answer)
	}
	return answer, nil
}
