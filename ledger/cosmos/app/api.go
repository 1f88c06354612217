package app

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/cometbft/cometbft/rpc/client/local"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/server/api"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	servergrpc "github.com/cosmos/cosmos-sdk/server/grpc"
)

// serveAPI serves what wallets and explorers of Cosmos chains expect: gRPC
// with reflection and, if wanted, the REST gateway.
func (n *Node) serveAPI(c NodeConfig, chainID string) error {
	conf := *serverconfig.DefaultConfig()
	ctx := client.Context{}.
		WithChainID(chainID).WithCodec(n.app.cdc).WithInterfaceRegistry(n.app.registry).
		WithTxConfig(n.app.txConfig).WithClient(local.New(n.comet))
	n.app.RegisterTxService(ctx)
	n.app.RegisterTendermintService(ctx)
	n.app.RegisterNodeService(ctx, conf)
	listener, err := net.Listen("tcp", c.GRPC)
	if err != nil {
		return err
	}
	n.GRPC = listener.Addr().String()
	conn, err := grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(n.app.registry).GRPCCodec())))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ctx = ctx.WithGRPCClient(conn)
	conf.GRPC.Enable, conf.GRPC.Address = true, n.GRPC
	server, ctx, err := servergrpc.NewGRPCServerAndContext(ctx, n.app.App, conf.GRPC, c.Logger)
	if err != nil {
		return errors.Join(err, conn.Close(), listener.Close())
	}
	go func() {
		if err := server.Serve(listener); err != nil {
			c.Logger.Error("serve grpc", "error", err)
		}
	}()
	n.closers = append(n.closers, conn.Close, func() error { server.Stop(); return nil })
	if c.REST == "" {
		return nil
	}
	gateway := api.New(ctx, c.Logger, server)
	n.app.RegisterAPIRoutes(gateway, conf.API)
	rest, err := net.Listen("tcp", c.REST)
	if err != nil {
		return err
	}
	n.REST = rest.Addr().String()
	web := &http.Server{Handler: gateway.GRPCGatewayRouter, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := web.Serve(rest); err != nil && !errors.Is(err, http.ErrServerClosed) {
			c.Logger.Error("serve rest", "error", err)
		}
	}()
	n.closers = append(n.closers, web.Close)
	return nil
}
