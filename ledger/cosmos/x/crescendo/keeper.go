// Package xcrescendo is the one Cosmos module of the programme: it serves the
// transactions of all rules over one store.
//
// It is thin. A handler turns the generated message into the rule's own one,
// lets program apply it, carries the transfers out on the bank and emits the
// events. No rule is written here.
package xcrescendo

import (
	"context"
	"errors"
	"fmt"

	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/math"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"

	nouns "github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// ModuleName names the module, its store and its module account.
const ModuleName = wire.RuleStore

// Rules is the door to the rules; program.Rules implements it.
type Rules interface {
	Apply(env nouns.Env, s kv.Store, m nouns.Message) (nouns.Outcome, error)
	EndBlock(env nouns.Env, s kv.Store) (nouns.Outcome, error)
}

// BankKeeper is what the module needs of the bank, the only book of balances.
type BankKeeper interface {
	SendCoins(ctx context.Context, from, to sdk.AccAddress, amt sdk.Coins) error
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amt sdk.Coins) error
	BurnCoins(ctx context.Context, module string, amt sdk.Coins) error
}

// Keeper runs the rules over the module's store.
type Keeper struct {
	service corestore.KVStoreService
	bank    BankKeeper
	rules   Rules
}

// The module's own entries; rule names never begin with "ledger/".
var (
	beaconKey = kv.Key("ledger/beacon")
	denomKey  = kv.Key("ledger/denom")
)

func potKey(addr []byte) []byte { return append(kv.Key("ledger/pot"), addr...) }

func (k Keeper) store(ctx context.Context) store { return store{k.service.OpenKVStore(ctx)} }

// env returns what a rule may know of the block being executed.
func (k Keeper) env(ctx sdk.Context) (nouns.Env, error) {
	env := nouns.Env{
		ChainID: ctx.ChainID(),
		Height:  nouns.Height(ctx.BlockHeight()),
		Time:    ctx.BlockTime().Unix(),
	}
	raw, err := k.store(ctx).Get(beaconKey)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		env.Beacon = wire.Beacon(nil)
	case err != nil:
		return env, err
	case len(raw) != len(env.Beacon):
		return env, fmt.Errorf("stored beacon has %d bytes", len(raw))
	default:
		copy(env.Beacon[:], raw)
	}
	return env, nil
}

// apply runs one message of a transaction. The SDK drops all writes of the
// transaction when it fails.
func (k Keeper) apply(goCtx context.Context, m nouns.Message, size int) error {
	ctx := sdk.UnwrapSDKContext(goCtx)
	ctx.GasMeter().ConsumeGas(wire.GasPerMessage+wire.GasPerByte*uint64(size), "message")
	ctx = ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
	out, err := k.run(ctx, func(env nouns.Env, s kv.Store) (nouns.Outcome, error) {
		return k.rules.Apply(env, s, m)
	})
	if err != nil {
		return refusalOf(err)
	}
	emit(ctx, out.Events)
	return nil
}

// EndBlock lets the rules act on deadlines and remembers the block's hash for
// the next block's beacon. Whatever goes wrong, the block is completed: the
// rules' writes are dropped and an event says so.
func (k Keeper) EndBlock(goCtx context.Context) error {
	ctx := sdk.UnwrapSDKContext(goCtx)
	cached, write := ctx.CacheContext()
	out, err := k.run(cached, k.rules.EndBlock)
	if err != nil {
		ctx.Logger().Error("end of block", "height", ctx.BlockHeight(), "error", err)
		emit(ctx, []nouns.Event{nouns.NewEvent("ledger.end-block-failed", 0, "error", err)})
	} else {
		write()
		emit(ctx, out.Events)
	}
	beacon := wire.Beacon(ctx.HeaderHash())
	return k.store(ctx).Set(beaconKey, beacon[:])
}

// run calls a rule and carries out its transfers; a panic becomes an error.
func (k Keeper) run(ctx sdk.Context, rule func(nouns.Env, kv.Store) (nouns.Outcome, error)) (out nouns.Outcome, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = nouns.Errorf(nouns.CodeInternal, "rule panicked: %v", r)
		}
	}()
	env, err := k.env(ctx)
	if err != nil {
		return out, err
	}
	out, err = rule(env, k.store(ctx))
	if err != nil {
		return out, err
	}
	for _, t := range out.Transfers {
		if err := k.transfer(ctx, t); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (k Keeper) transfer(ctx sdk.Context, t nouns.Transfer) error {
	denom, err := k.store(ctx).Get(denomKey)
	if err != nil {
		return fmt.Errorf("read denom: %w", err)
	}
	coins := sdk.NewCoins(sdk.NewCoin(string(denom), math.NewIntFromUint64(uint64(t.Amount))))
	from, err := wire.Address(t.From)
	if err != nil {
		return nouns.Errorf(nouns.CodeInternal, "transfer from %s: %v", t.From, err)
	}
	inner := ctx.WithValue(ruleTransfer{}, true)
	if t.To == nouns.Burn {
		err = k.bank.SendCoinsFromAccountToModule(inner, from, ModuleName, coins)
		if err == nil {
			err = k.bank.BurnCoins(inner, ModuleName, coins)
		}
		return transferError(t, err)
	}
	to, err := wire.Address(t.To)
	if err != nil {
		return nouns.Errorf(nouns.CodeInvalid, "transfer to %.100q: %v", t.To, err)
	}
	if t.To.IsPot() {
		if err := k.markPot(ctx, t.To, to); err != nil {
			return err
		}
	}
	return transferError(t, k.bank.SendCoins(inner, from, to, coins))
}

func transferError(t nouns.Transfer, err error) error {
	if err == nil {
		return nil
	}
	code := nouns.CodeFunds
	if t.From.IsPot() {
		code = nouns.CodeInternal // a pot that cannot pay what a rule owes
	}
	return nouns.Errorf(code, "move %s from %s to %s: %v", t.Amount, t.From, t.To, err)
}

// markPot remembers that an address is a pot, so that users cannot deposit.
func (k Keeper) markPot(ctx sdk.Context, pot nouns.Account, addr []byte) error {
	s := k.store(ctx)
	if _, err := s.Get(potKey(addr)); !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	return s.Set(potKey(addr), []byte(pot))
}

// ruleTransfer marks the context of a transfer that a rule ordered.
type ruleTransfer struct{}

// Restrict is the bank's send restriction: only rules move money into pots,
// so that a pot holds what the rules say it holds.
func (k Keeper) Restrict(ctx context.Context, _, to sdk.AccAddress, _ sdk.Coins) (sdk.AccAddress, error) {
	if ctx.Value(ruleTransfer{}) != nil {
		return to, nil
	}
	pot, err := k.store(ctx).Get(potKey(to))
	if errors.Is(err, kv.ErrNotFound) {
		return to, nil
	}
	if err != nil {
		return nil, err
	}
	refused := nouns.Errorf(nouns.CodeForbidden, "send to %s: it is the pot %s, into which only rules move money", to, pot)
	return nil, refusal{refused.WithHint("send the message of the rule instead, for example a contribution")}
}

func emit(ctx sdk.Context, events []nouns.Event) {
	for _, e := range events {
		out := sdk.Event{Type: e.Kind}
		for _, a := range wire.EventAttrs(e) {
			out = out.AppendAttributes(sdk.NewAttribute(a.Key, a.Value))
		}
		ctx.EventManager().EmitEvent(out)
	}
}
