package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// account is what signing needs to know of an account. The lock is held
// while a transaction is signed and handed to the node, so that sequence
// numbers reach it in order.
type account struct {
	mu       sync.Mutex
	known    bool
	number   uint64
	sequence uint64 // of the next transaction
}

// Bounds on how long Submit tries.
const (
	maxAttempts   = 100 // at handing a transaction to the node
	blocksPerLook = 8   // without inclusion, before the account is looked at
)

// Submit implements ledger.Ledger. When ctx ends first, the transaction may
// still be included.
func (c *Client) Submit(ctx context.Context, signer ledger.Signer, msgs ...crescendo.Message) (ledger.Result, error) {
	if err := check(signer, msgs); err != nil {
		return ledger.Result{}, err
	}
	for {
		tx, sequence, from, err := c.broadcast(ctx, signer, msgs)
		if err != nil {
			return ledger.Result{}, err
		}
		result, included, err := c.await(ctx, signer.Account(), tx, sequence, from)
		if err != nil || included {
			return result, err
		}
		// Another transaction took the sequence number: this one can never be
		// included, so it is signed again.
	}
}

func check(signer ledger.Signer, msgs []crescendo.Message) error {
	if len(msgs) == 0 || len(msgs) > wire.MaxMessages {
		return crescendo.Errorf(crescendo.CodeInvalid, "submit: %d messages, want 1 to %d", len(msgs), wire.MaxMessages)
	}
	for _, m := range msgs {
		if m.From() != signer.Account() {
			return crescendo.Errorf(crescendo.CodeForbidden, "submit %s: it is from %s, the signer is %s", m.TypeURL(), m.From(), signer.Account())
		}
		if err := m.Check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) account(a crescendo.Account) *account {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.accounts[a] == nil {
		c.accounts[a] = &account{}
	}
	return c.accounts[a]
}

// broadcast signs the messages under the account's next sequence number and
// hands the transaction to the node, until the node has accepted it.
func (c *Client) broadcast(ctx context.Context, signer ledger.Signer, msgs []crescendo.Message) (tx []byte, sequence uint64, from int64, err error) {
	a := c.account(signer.Account())
	a.mu.Lock()
	defer a.mu.Unlock()
	// Two clients of one key may sign equal messages under one number. Without
	// a nonce that would be one transaction, and both would think it theirs.
	nonce := rand.Text()[:12]
	for range maxAttempts {
		if !a.known {
			if err := c.lookUp(ctx, signer.Account(), a); err != nil {
				return nil, 0, 0, err
			}
		}
		d := wire.Draft{
			ChainID: c.chainID, Account: a.number, Sequence: a.sequence, PublicKey: signer.PublicKey(), Messages: msgs, Memo: nonce,
		}
		signature, err := signer.Sign(d.SignDocument())
		if err != nil {
			return nil, 0, 0, fmt.Errorf("sign: %w", err)
		}
		raw := d.Encode(signature)
		if len(raw) > wire.MaxTxBytes {
			return nil, 0, 0, crescendo.Errorf(crescendo.CodeInvalid, "submit: %d bytes, at most %d", len(raw), wire.MaxTxBytes)
		}
		newest, err := c.currentHeight(ctx)
		if err != nil {
			return nil, 0, 0, err
		}
		from = newest + 1
		retry, err := c.offer(ctx, raw, a)
		if errors.Is(err, ledger.ErrUnavailable) && !notDelivered(err) {
			retry, err = false, nil // it may have arrived: look for it
		}
		if err != nil {
			return nil, 0, 0, err
		}
		if !retry {
			a.sequence++
			return raw, d.Sequence, from, nil
		}
	}
	a.known = false
	return nil, 0, 0, fmt.Errorf("submit: the ledger did not accept the transaction in %d attempts: %w", maxAttempts, ledger.ErrUnavailable)
}

var expectedSequence = regexp.MustCompile(`account sequence mismatch, expected (\d+)`)

// offer hands a transaction to the node; retry means that it should be made
// again, after the account has been corrected.
func (c *Client) offer(ctx context.Context, raw []byte, a *account) (retry bool, err error) {
	var answer struct {
		Code      uint32 `json:"code"`
		Codespace string `json:"codespace"`
		Log       string `json:"log"`
	}
	err = c.rpc.call(ctx, broadcast, params{"tx": raw}, &answer)
	var refused *rpcError
	switch {
	case errors.As(err, &refused) && strings.Contains(refused.Data, "already exists in cache"):
		return false, nil
	case errors.As(err, &refused) && strings.Contains(refused.Data, "mempool is full"):
		return true, pause(ctx, 200*time.Millisecond)
	case err != nil:
		return false, err
	case answer.Code == 0:
		return false, nil
	case answer.Codespace == wire.SDKCodespace && answer.Code == wire.SDKMempoolFull:
		return true, pause(ctx, 200*time.Millisecond)
	case answer.Codespace == wire.SDKCodespace && answer.Code == wire.SDKTxInMempool:
		return false, nil
	case answer.Codespace == wire.SDKCodespace && answer.Code == wire.SDKWrongSequence:
		m := expectedSequence.FindStringSubmatch(answer.Log)
		if m == nil {
			a.known = false
			return true, nil
		}
		a.sequence, err = strconv.ParseUint(m[1], 10, 64)
		return true, err
	}
	return false, wire.ParseError(answer.Codespace, answer.Code, answer.Log)
}

// notDelivered reports whether no connection could be made at all.
func notDelivered(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// await looks for a transaction in the blocks from a height on. It returns
// included=false when the transaction can never be included. A node that
// cannot be reached is waited for: whether the transaction was included must
// be known.
func (c *Client) await(ctx context.Context, from crescendo.Account, raw []byte, sequence uint64, height int64) (result ledger.Result, included bool, err error) {
	last := int64(0) // where to stop looking; zero: not known
	for h := max(height, 1); last == 0 || h <= last; {
		var b *blockResult
		if err = c.waitHeight(ctx, h); err == nil {
			b, err = c.results(ctx, h)
		}
		if errors.Is(err, ledger.ErrUnavailable) {
			err = pause(ctx, outagePause)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return ledger.Result{}, false, err
		}
		early := false
		if i, ok := b.txs[string(raw)]; ok && i < len(b.results) {
			r := b.results[i]
			// A node may put transactions that reach it at the same time into
			// a block out of order. The later one then fails without having
			// used its number, and is still good.
			early = r.Codespace == wire.SDKCodespace && r.Code == wire.SDKWrongSequence
			if !early {
				c.learned(h)
				return resultOf(raw, h, r)
			}
		}
		if h++; last == 0 && (early || (h-height)%blocksPerLook == 0) {
			if last, err = c.lookAgain(ctx, from, raw, sequence); err != nil && !errors.Is(err, ledger.ErrUnavailable) {
				return ledger.Result{}, false, err
			}
		}
	}
	return ledger.Result{}, false, nil
}

const outagePause = 200 * time.Millisecond

func resultOf(raw []byte, height int64, r light.Result) (ledger.Result, bool, error) {
	if r.Code != 0 {
		return ledger.Result{}, true, wire.ParseError(r.Codespace, r.Code, r.Log)
	}
	return ledger.Result{
		Height: crescendo.Height(height), TxHash: fmt.Sprintf("%X", wire.TxHash(raw)), Events: r.Events,
	}, true, nil
}

// lookAgain is for a transaction that takes long. If its sequence number has
// been used, it returns the height by which it was included if ever; if not,
// the transaction is handed to the node once more.
func (c *Client) lookAgain(ctx context.Context, from crescendo.Account, raw []byte, sequence uint64) (last int64, err error) {
	var now account
	if err := c.lookUp(ctx, from, &now); err != nil {
		return 0, err
	}
	if now.sequence > sequence {
		return c.currentHeight(ctx)
	}
	_, err = c.offer(ctx, raw, &now)
	return 0, err
}

const accountPath = "/cosmos.auth.v1beta1.Query/AccountInfo"

// lookUp reads an account's number and sequence. They are not proved: a node
// that lies about them makes transactions fail, nothing else.
func (c *Client) lookUp(ctx context.Context, name crescendo.Account, a *account) error {
	request := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), string(name))
	answer, err := c.abciQuery(ctx, accountPath, request, 0, false)
	var refused *crescendo.Error
	if errors.As(err, &refused) && strings.Contains(refused.Text, "not found") {
		return crescendo.Errorf(crescendo.CodeNotFound, "submit: the ledger knows no account %s", name).
			WithHint("an account exists once it has received money")
	}
	if err != nil {
		return err
	}
	return a.parse(answer.Response.Value)
}

func (a *account) parse(raw []byte) error {
	number, sequence, err := wire.ParseAccountInfo(raw)
	if err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	a.number, a.sequence, a.known = number, sequence, true
	return nil
}
