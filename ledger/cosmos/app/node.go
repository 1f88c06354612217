package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"cosmossdk.io/log/v2"
	cmtdb "github.com/cometbft/cometbft-db"
	cmtcfg "github.com/cometbft/cometbft/config"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
	rpcserver "github.com/cometbft/cometbft/rpc/jsonrpc/server"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/syndtr/goleveldb/leveldb"

	servercmtlog "github.com/cosmos/cosmos-sdk/server/log"

	xcrescendo "github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// NodeConfig says how a node runs. Addresses may end in port 0.
type NodeConfig struct {
	Home      string
	Rules     xcrescendo.Rules
	RPC       string        // "127.0.0.1:0"
	GRPC      string        // empty: no gRPC
	REST      string        // empty: no REST gateway; needs GRPC
	CORS      []string      // origins whose pages may call RPC and REST from a browser
	P2P       string        // empty: a free port on loopback
	Peers     string        // id@host:port, comma-separated
	BlockTime time.Duration // wait after a block; zero: DefaultBlockTime
	BusyTime  time.Duration // the same while something happens; zero: BlockTime
	Retain    uint64        // blocks kept at least; 0: all
	Logger    log.Logger    // nil: silent
}

// Node is a running ledger node.
type Node struct {
	RPC  string // address of CometBFT's JSON-RPC, host:port
	GRPC string
	REST string
	ID   string // of the node on the peer-to-peer network

	ChainID     string
	GenesisHash string // SHA-256 of the genesis document as CometBFT writes it

	app     *App
	db      dbm.DB
	comet   *node.Node
	stores  []cmtdb.DB // CometBFT's, some of which it does not close
	closers []func() error
}

// StartNode starts a node on its home and returns once its RPC answers.
func StartNode(c NodeConfig) (_ *Node, err error) {
	if c.Logger == nil {
		c.Logger = log.NewNopLogger()
	}
	cfg := homeConfig(c.Home)
	if c.BlockTime > 0 {
		cfg.Consensus.TimeoutCommit = c.BlockTime
	}
	if c.P2P != "" {
		cfg.P2P.ListenAddress = "tcp://" + c.P2P
	}
	cfg.P2P.PersistentPeers = c.Peers
	cfg.P2P.PexReactor = c.Peers != "" // a node alone looks for nobody
	doc, err := cmttypes.GenesisDocFromFile(cfg.GenesisFile())
	if err != nil {
		return nil, fmt.Errorf("start ledger: %w\nhint: crescendo-ledger init makes a home with a genesis", err)
	}
	n := &Node{ChainID: doc.ChainID}
	if n.GenesisHash, err = hashGenesis(doc); err != nil {
		return nil, fmt.Errorf("start ledger: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(explain(err), n.Stop())
		}
	}()
	n.db, err = dbm.NewDB("application", dbm.GoLevelDBBackend, filepath.Join(c.Home, "data"))
	if err != nil {
		return nil, err
	}
	n.app, err = New(Options{ChainID: doc.ChainID, Rules: c.Rules, DB: n.db, Logger: c.Logger, Retain: c.Retain})
	if err != nil {
		return nil, err
	}
	n.app.pace = newPace(cfg.Consensus.TimeoutCommit, c.BusyTime, &cfg.Consensus.TimeoutCommit)
	if err := n.startComet(cfg, doc, c.Logger); err != nil {
		return nil, err
	}
	if n.RPC, err = n.serveRPC(cfg, c); err != nil {
		return nil, err
	}
	if c.GRPC != "" {
		err = n.serveAPI(c, doc.ChainID)
	}
	return n, err
}

// explain adds what to do about the usual mistakes.
func explain(err error) error {
	hint := ""
	switch {
	case strings.Contains(err.Error(), syscall.EAGAIN.Error()):
		hint = "\nhint: another crescendo-ledger runs on this home"
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "\nhint: another program listens on this address; port 0 chooses a free one"
	}
	return fmt.Errorf("start ledger: %w%s", err, hint)
}

func (n *Node) startComet(cfg *cmtcfg.Config, doc *cmttypes.GenesisDoc, logger log.Logger) error {
	key, err := p2p.LoadOrGenNodeKey(cfg.NodeKeyFile())
	if err != nil {
		return err
	}
	n.ID = string(key.ID())
	comet, err := node.NewNode(cfg,
		privval.LoadOrGenFilePV(cfg.PrivValidatorKeyFile(), cfg.PrivValidatorStateFile()), key,
		proxy.NewLocalClientCreator(n.app.abci()),
		func() (*cmttypes.GenesisDoc, error) { return doc, nil },
		n.openDB, node.DefaultMetricsProvider(cfg.Instrumentation),
		servercmtlog.CometLoggerWrapper{Logger: logger})
	if err != nil {
		return err
	}
	if err := comet.Start(); err != nil {
		return err
	}
	n.comet = comet
	return nil
}

// serveRPC serves CometBFT's JSON-RPC and websocket on a listener of ours, so
// that the port may be chosen by the system.
func (n *Node) serveRPC(cfg *cmtcfg.Config, c NodeConfig) (string, error) {
	env, err := n.comet.ConfigureRPC()
	if err != nil {
		return "", err
	}
	conf := rpcserver.DefaultConfig()
	conf.MaxRequestBatchSize = cfg.RPC.MaxRequestBatchSize
	conf.MaxBodyBytes = cfg.RPC.MaxBodyBytes
	conf.MaxHeaderBytes = cfg.RPC.MaxHeaderBytes
	conf.MaxOpenConnections = cfg.RPC.MaxOpenConnections
	logger := n.comet.Logger.With("module", "rpc")
	routes := env.GetRoutes()
	mux := http.NewServeMux()
	ws := rpcserver.NewWebsocketManager(routes,
		rpcserver.OnDisconnect(func(remote string) {
			_ = n.comet.EventBus().UnsubscribeAll(context.Background(), remote) // nothing subscribed
		}),
		rpcserver.ReadLimit(cfg.RPC.MaxBodyBytes))
	ws.SetLogger(logger)
	mux.HandleFunc("/websocket", ws.WebsocketHandler)
	mux.HandleFunc("GET "+wire.WaitPath, n.app.serveWait)
	rpcserver.RegisterRPCFuncs(mux, routes, logger)
	listener, err := rpcserver.Listen("tcp://"+c.RPC, conf.MaxOpenConnections)
	if err != nil {
		return "", err
	}
	n.closers = append(n.closers, ignoreClosed(listener))
	go func() {
		if err := rpcserver.Serve(listener, allow(c.CORS, mux), logger, conf); err != nil && !errors.Is(err, net.ErrClosed) {
			logger.Error("serve rpc", "error", err)
		}
	}()
	return listener.Addr().String(), nil
}

func ignoreClosed(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// openDB implements CometBFT's DBProvider.
func (n *Node) openDB(c *cmtcfg.DBContext) (cmtdb.DB, error) {
	db, err := cmtcfg.DefaultDBProvider(c)
	if err == nil {
		n.stores = append(n.stores, db)
	}
	return db, err
}

// Trust is a block that clients may begin to verify from.
type Trust struct {
	Height int64  `json:"height"`
	Hash   string `json:"hash"` // of the block, hexadecimal
}

// FirstBlock waits for the oldest block the node has and returns it.
func (n *Node) FirstBlock(ctx context.Context) (Trust, error) {
	blocks := n.comet.BlockStore()
	for blocks.Height() == 0 {
		select {
		case <-ctx.Done():
			return Trust{}, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	meta := blocks.LoadBaseMeta()
	if meta == nil {
		return Trust{}, errors.New("the node has no first block")
	}
	return Trust{meta.Header.Height, hex.EncodeToString(meta.BlockID.Hash)}, nil
}

func hashGenesis(doc *cmttypes.GenesisDoc) (string, error) {
	raw, err := cmtjson.Marshal(doc)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// Stop stops the node and closes its stores. It may be called twice.
func (n *Node) Stop() error {
	var errs []error
	for _, c := range n.closers {
		errs = append(errs, c())
	}
	n.closers = nil
	if n.comet != nil && n.comet.IsRunning() {
		errs = append(errs, n.comet.Stop())
		n.comet.Wait()
	}
	for _, db := range n.stores {
		if err := db.Close(); err != nil && !errors.Is(err, leveldb.ErrClosed) {
			errs = append(errs, err)
		}
	}
	n.stores = nil
	if n.app != nil {
		errs = append(errs, n.app.Close()) // closes the database too
		n.app, n.db = nil, nil
	}
	if n.db != nil {
		errs = append(errs, n.db.Close())
		n.db = nil
	}
	return errors.Join(errs...)
}
