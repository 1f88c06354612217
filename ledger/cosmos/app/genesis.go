package app

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	sdkmath "cosmossdk.io/math"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"

	cdctypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	nouns "github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	xcrescendo "github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

// Balance is settlement money an account begins with.
type Balance struct {
	Account nouns.Account
	Amount  nouns.Amount
}

// GenesisInput says what a new ledger begins with.
type GenesisInput struct {
	ChainID    string
	Time       time.Time // zero: now
	Spec       program.Spec
	Balances   []Balance
	Validators []ed25519.PublicKey // each with the same stake
}

// Genesis makes the genesis document of a new ledger. Validators have no
// operator account: nobody can withdraw their stake.
func Genesis(in GenesisInput) (*cmttypes.GenesisDoc, error) {
	if in.ChainID == "" || len(in.Validators) == 0 {
		return nil, errors.New("genesis: want a chain id and at least one validator")
	}
	if err := in.Spec.Validate(); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	a, err := New(Options{ChainID: in.ChainID, DB: dbm.NewMemDB()})
	if err != nil {
		return nil, err
	}
	state := a.DefaultGenesis()
	if err := in.fill(a, state); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	doc := &cmttypes.GenesisDoc{
		ChainID: in.ChainID, GenesisTime: in.Time, InitialHeight: 1,
		ConsensusParams: consensusParams(), AppState: raw,
	}
	if doc.GenesisTime.IsZero() {
		doc.GenesisTime = time.Now()
	}
	return doc, doc.ValidateAndComplete()
}

func consensusParams() *cmttypes.ConsensusParams {
	p := cmttypes.DefaultConsensusParams()
	p.Block.MaxBytes = 4 << 20
	p.Block.MaxGas = 500_000_000
	p.Evidence.MaxAgeNumBlocks = 10_000
	p.Evidence.MaxAgeDuration = 3 * time.Hour
	return p
}

func (in GenesisInput) fill(a *App, state map[string]json.RawMessage) error {
	accounts, balances, err := in.accounts()
	if err != nil {
		return err
	}
	staking, err := in.staking()
	if err != nil {
		return err
	}
	balances = append(balances, banktypes.Balance{
		Address: authtypes.NewModuleAddress(stakingtypes.BondedPoolName).String(),
		Coins:   sdk.NewCoins(sdk.NewCoin(wire.StakeDenom, sdk.DefaultPowerReduction.MulRaw(int64(len(in.Validators))))),
	})
	module, err := json.Marshal(xcrescendo.Genesis{Spec: canon.Encode(in.Spec)})
	if err != nil {
		return err
	}
	state[authtypes.ModuleName] = a.cdc.MustMarshalJSON(authtypes.NewGenesisState(authtypes.DefaultParams(), accounts))
	state[banktypes.ModuleName] = a.cdc.MustMarshalJSON(banktypes.NewGenesisState(banktypes.DefaultParams(), balances, nil, nil, nil))
	state[stakingtypes.ModuleName] = a.cdc.MustMarshalJSON(staking)
	state[xcrescendo.ModuleName] = module
	return nil
}

func (in GenesisInput) accounts() ([]authtypes.GenesisAccount, []banktypes.Balance, error) {
	var accounts []authtypes.GenesisAccount
	var balances []banktypes.Balance
	seen := map[nouns.Account]bool{}
	for _, b := range in.Balances {
		if b.Account.IsPot() || seen[b.Account] {
			return nil, nil, fmt.Errorf("balance of %s: a pot, or listed twice", b.Account)
		}
		seen[b.Account] = true
		addr, err := wire.Address(b.Account)
		if err != nil {
			return nil, nil, err
		}
		accounts = append(accounts, authtypes.NewBaseAccount(addr, nil, uint64(len(accounts)), 0))
		coins := sdk.NewCoins(sdk.NewCoin(in.Spec.Denom, sdkmath.NewIntFromUint64(uint64(b.Amount))))
		if !coins.IsZero() {
			balances = append(balances, banktypes.Balance{Address: string(b.Account), Coins: coins})
		}
	}
	return accounts, balances, nil
}

// staking bonds every validator with the same self-delegation.
func (in GenesisInput) staking() (*stakingtypes.GenesisState, error) {
	var validators []stakingtypes.Validator
	var delegations []stakingtypes.Delegation
	bond := sdk.DefaultPowerReduction
	for _, raw := range in.Validators {
		if len(raw) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("validator key of %d bytes", len(raw))
		}
		consensus := cmted25519.PubKey(raw)
		key, err := cryptocodec.FromCmtPubKeyInterface(consensus)
		if err != nil {
			return nil, err
		}
		packed, err := cdctypes.NewAnyWithValue(key)
		if err != nil {
			return nil, err
		}
		operator := sdk.ValAddress(consensus.Address())
		validators = append(validators, stakingtypes.Validator{
			OperatorAddress: operator.String(), ConsensusPubkey: packed, Status: stakingtypes.Bonded,
			Tokens: bond, DelegatorShares: sdkmath.LegacyNewDecFromInt(bond), UnbondingTime: time.Unix(0, 0).UTC(),
			Commission: stakingtypes.NewCommission(
				sdkmath.LegacyZeroDec(), sdkmath.LegacyZeroDec(), sdkmath.LegacyZeroDec()),
			MinSelfDelegation: sdkmath.OneInt(),
		})
		delegations = append(delegations, stakingtypes.NewDelegation(
			sdk.AccAddress(operator).String(), operator.String(), sdkmath.LegacyNewDecFromInt(bond)))
	}
	params := stakingtypes.DefaultParams()
	params.BondDenom = wire.StakeDenom
	params.HistoricalEntries = 0 // kept for IBC only
	return stakingtypes.NewGenesisState(params, validators, delegations), nil
}

// SortBalances returns the balances in the order of accounts.
func SortBalances(byAccount map[nouns.Account]nouns.Amount) []Balance {
	out := make([]Balance, 0, len(byAccount))
	for account, amount := range byAccount {
		out = append(out, Balance{account, amount})
	}
	slices.SortFunc(out, func(a, b Balance) int { return strings.Compare(string(a.Account), string(b.Account)) })
	return out
}
