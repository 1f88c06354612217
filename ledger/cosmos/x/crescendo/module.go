package xcrescendo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"cosmossdk.io/core/appmodule"
	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/depinject"
	"google.golang.org/grpc"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	cdctypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	nouns "github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/modulev1"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

func init() { appmodule.Register(&modulev1.Module{}, appmodule.Provide(Provide)) }

// Config is supplied by the application.
type Config struct{ Rules Rules }

// In is what depinject hands to Provide.
type In struct {
	depinject.In

	Config Config
	Store  corestore.KVStoreService
	Bank   BankKeeper
}

// Out is what the module offers to the application.
type Out struct {
	depinject.Out

	Keeper   Keeper
	Module   appmodule.AppModule
	Restrict banktypes.SendRestrictionFn
}

// Provide makes the module.
func Provide(in In) Out {
	k := Keeper{service: in.Store, bank: in.Bank, rules: in.Config.Rules}
	return Out{Keeper: k, Module: AppModule{k}, Restrict: k.Restrict}
}

// AppModule plugs the keeper into an application.
type AppModule struct{ k Keeper }

var (
	_ appmodule.AppModule     = AppModule{}
	_ appmodule.HasServices   = AppModule{}
	_ appmodule.HasEndBlocker = AppModule{}
)

// IsAppModule implements appmodule.AppModule.
func (AppModule) IsAppModule() {}

// IsOnePerModuleType implements depinject.OnePerModuleType.
func (AppModule) IsOnePerModuleType() {}

// Name is called by the SDK's module manager.
func (AppModule) Name() string { return ModuleName }

// RegisterInterfaces makes the messages known to the codec.
func (AppModule) RegisterInterfaces(r cdctypes.InterfaceRegistry) {
	for _, s := range services(Keeper{}) {
		msgservice.RegisterMsgServiceDesc(r, s.desc)
	}
}

// RegisterServices implements appmodule.HasServices.
func (a AppModule) RegisterServices(r grpc.ServiceRegistrar) error {
	for _, s := range services(a.k) {
		r.RegisterService(s.desc, s.server)
	}
	return nil
}

// EndBlock implements appmodule.HasEndBlocker.
func (a AppModule) EndBlock(ctx context.Context) error { return a.k.EndBlock(ctx) }

// Genesis is the module's part of the genesis file.
type Genesis struct {
	Spec    []byte  `json:"spec"` // canonical encoding of program.Spec
	Entries []Entry `json:"entries,omitempty"`
}

// Entry is one exported entry of the rule store.
type Entry struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// DefaultGenesis has no programme; it is not valid by itself.
func (AppModule) DefaultGenesis(codec.JSONCodec) json.RawMessage { return json.RawMessage(`{}`) }

// ValidateGenesis checks the programme.
func (AppModule) ValidateGenesis(_ codec.JSONCodec, _ client.TxEncodingConfig, raw json.RawMessage) error {
	_, _, err := parseGenesis(raw)
	return err
}

func parseGenesis(raw json.RawMessage) (Genesis, program.Spec, error) {
	var g Genesis
	var spec program.Spec
	if err := json.Unmarshal(raw, &g); err != nil {
		return g, spec, fmt.Errorf("parse genesis of %s: %w", ModuleName, err)
	}
	if len(g.Spec) == 0 {
		return g, spec, errors.New("genesis has no programme")
	}
	if err := canon.Decode(g.Spec, &spec); err != nil {
		return g, spec, fmt.Errorf("genesis: %w", err)
	}
	return g, spec, spec.Validate()
}

// InitGenesis writes the programme and the pots. The SDK expects a panic when
// a genesis cannot be used; no block has been made yet.
func (a AppModule) InitGenesis(ctx sdk.Context, _ codec.JSONCodec, raw json.RawMessage) {
	if err := a.initGenesis(ctx, raw); err != nil {
		panic(err)
	}
}

func (a AppModule) initGenesis(ctx sdk.Context, raw json.RawMessage) error {
	g, spec, err := parseGenesis(raw)
	if err != nil {
		return err
	}
	s := a.k.store(ctx)
	for _, e := range g.Entries {
		if err := s.Set(e.Key, e.Value); err != nil {
			return err
		}
	}
	if len(g.Entries) == 0 {
		if err := program.Genesis(s, spec); err != nil {
			return err
		}
	}
	if err := s.Set(denomKey, []byte(spec.Denom)); err != nil {
		return err
	}
	for _, pot := range pots(len(spec.Rungs)) {
		addr, err := wire.Address(pot)
		if err != nil {
			return err
		}
		if err := a.k.markPot(ctx, pot, addr); err != nil {
			return err
		}
	}
	return nil
}

// pots lists the pots a programme may use; one used besides them is marked by
// its first transfer.
func pots(rungs int) []nouns.Account {
	out := []nouns.Account{"@treasury", nouns.Burn}
	for _, rule := range []string{"program", "funding", "research", "season", "training", "evaluation", "sealing", "inference", "revenue", "governance"} {
		for r := range rungs + 1 {
			out = append(out, nouns.Pot(rule, nouns.RungID(r)))
		}
	}
	return out
}

// ExportGenesis returns the whole rule store.
func (a AppModule) ExportGenesis(ctx sdk.Context, _ codec.JSONCodec) json.RawMessage {
	var g Genesis
	var from []byte
	s := a.k.store(ctx)
	for {
		page, err := s.Range(nil, from, 256)
		if err != nil {
			panic(err) // exports run outside block processing
		}
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			g.Entries = append(g.Entries, Entry(p))
		}
		from = append(page[len(page)-1].Key, 0)
	}
	if spec, err := program.Specs.Get(s); err == nil {
		g.Spec = canon.Encode(spec)
	}
	raw, err := json.Marshal(g)
	if err != nil {
		panic(err)
	}
	return raw
}
