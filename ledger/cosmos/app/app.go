// Package app assembles the ledger: stock Cosmos SDK modules for accounts,
// bank, staking and fee grants, the module of the programme, and a CometBFT
// node around them.
//
// It holds no rule. Clients never link it; they speak to the node's RPC
// through ledger/client.
package app

import (
	"fmt"

	runtimev1 "cosmossdk.io/api/cosmos/app/runtime/v1alpha1"
	appv1 "cosmossdk.io/api/cosmos/app/v1alpha1"
	authmod "cosmossdk.io/api/cosmos/auth/module/v1"
	bankmod "cosmossdk.io/api/cosmos/bank/module/v1"
	consmod "cosmossdk.io/api/cosmos/consensus/module/v1"
	feegrantmod "cosmossdk.io/api/cosmos/feegrant/module/v1"
	stakingmod "cosmossdk.io/api/cosmos/staking/module/v1"
	txmod "cosmossdk.io/api/cosmos/tx/config/v1"
	"cosmossdk.io/core/appconfig"
	"cosmossdk.io/depinject"
	"cosmossdk.io/log/v2"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	cdctypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/runtime"
	pruning "github.com/cosmos/cosmos-sdk/store/v2/pruning/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	_ "github.com/cosmos/cosmos-sdk/x/auth"           // module
	_ "github.com/cosmos/cosmos-sdk/x/auth/tx/config" // module
	_ "github.com/cosmos/cosmos-sdk/x/bank"           // module
	_ "github.com/cosmos/cosmos-sdk/x/consensus"      // module
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	_ "github.com/cosmos/cosmos-sdk/x/feegrant/module" // module
	_ "github.com/cosmos/cosmos-sdk/x/staking"         // module

	"github.com/crescendo-network/crescendo/internal/address"
	xcrescendo "github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/modulev1"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// keepHeights is how many heights of state stay readable and provable.
const keepHeights = 500

func init() {
	c := sdk.GetConfig()
	c.SetBech32PrefixForAccount(address.Prefix, address.Prefix+"pub")
	c.SetBech32PrefixForValidator(address.Prefix+"valoper", address.Prefix+"valoperpub")
	c.SetBech32PrefixForConsensusNode(address.Prefix+"valcons", address.Prefix+"valconspub")
}

// App is the application that CometBFT drives.
type App struct {
	*runtime.App

	commits  commits
	pace     *pace // nil: the node has but one
	cdc      codec.Codec
	txConfig client.TxConfig
	registry cdctypes.InterfaceRegistry
}

// TxConfig is the SDK's own reading of transactions.
func (a *App) TxConfig() client.TxConfig { return a.txConfig }

// Registry knows all messages by their type.
func (a *App) Registry() cdctypes.InterfaceRegistry { return a.registry }

// Options configure an application.
type Options struct {
	ChainID string
	Rules   xcrescendo.Rules
	DB      dbm.DB
	Logger  log.Logger // nil: silent
	Retain  uint64     // blocks that CometBFT keeps at least; 0: all
}

// New loads the application with the state in its database.
func New(o Options) (*App, error) {
	if o.Logger == nil {
		o.Logger = log.NewNopLogger()
	}
	var builder *runtime.AppBuilder
	a := &App{}
	err := depinject.Inject(
		depinject.Configs(appconfig.Compose(config()), depinject.Supply(o.Logger, xcrescendo.Config{Rules: o.Rules})),
		&builder, &a.cdc, &a.txConfig, &a.registry)
	if err != nil {
		return nil, fmt.Errorf("assemble application: %w", err)
	}
	a.App = builder.Build(o.DB,
		baseapp.SetChainID(o.ChainID),
		baseapp.SetMinGasPrices("0"+wire.StakeDenom),
		baseapp.SetPruning(pruning.NewCustomPruningOptions(keepHeights, 10)),
		baseapp.SetMinRetainBlocks(o.Retain),
	)
	a.SetTxDecoder(strictDecoder(a.txConfig.TxDecoder()))
	if err := a.Load(true); err != nil {
		return nil, fmt.Errorf("load application state: %w", err)
	}
	return a, nil
}

// strictDecoder refuses transactions whose rule messages are not canonical,
// so that what the ledger executed can be re-read from its bytes by anybody.
func strictDecoder(inner sdk.TxDecoder) sdk.TxDecoder {
	return func(raw []byte) (sdk.Tx, error) {
		tx, err := inner(raw)
		if err != nil {
			return nil, err
		}
		if _, err := wire.Decode(raw); err != nil {
			return nil, xcrescendo.Refuse(err)
		}
		return tx, nil
	}
}

func config() *appv1.Config {
	modules := []string{"auth", "bank", "staking", feegrant.ModuleName, xcrescendo.ModuleName, "consensus"}
	return &appv1.Config{Modules: []*appv1.ModuleConfig{
		module("runtime", &runtimev1.Module{
			AppName:           "crescendo",
			PreBlockers:       []string{"auth"},
			BeginBlockers:     []string{"staking"},
			EndBlockers:       []string{"bank", xcrescendo.ModuleName, "staking", feegrant.ModuleName},
			InitGenesis:       modules,
			OverrideStoreKeys: []*runtimev1.StoreKeyConfig{{ModuleName: "auth", KvStoreKey: "acc"}},
		}),
		module("auth", &authmod.Module{
			Bech32Prefix: address.Prefix,
			ModuleAccountPermissions: []*authmod.ModuleAccountPermission{
				{Account: "fee_collector"},
				{Account: "bonded_tokens_pool", Permissions: []string{"burner", "staking"}},
				{Account: "not_bonded_tokens_pool", Permissions: []string{"burner", "staking"}},
				{Account: "key_rotation_fee_pool", Permissions: []string{"burner"}},
				{Account: xcrescendo.ModuleName, Permissions: []string{"burner"}},
			},
		}),
		module("bank", &bankmod.Module{}),
		module("staking", &stakingmod.Module{}),
		module(feegrant.ModuleName, &feegrantmod.Module{}),
		module(xcrescendo.ModuleName, &modulev1.Module{}),
		module("consensus", &consmod.Module{}),
		module("tx", &txmod.Config{}),
	}}
}

func module(name string, config proto.Message) *appv1.ModuleConfig {
	return &appv1.ModuleConfig{Name: name, Config: appconfig.WrapAny(config)}
}
