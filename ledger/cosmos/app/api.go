package app

import (
	"errors"
	"net"
	"net/http"
	"slices"
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
	web := &http.Server{
		Handler:           allow(c.CORS, http.MaxBytesHandler(gateway.GRPCGatewayRouter, maxRESTBody)),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	go func() {
		if err := web.Serve(rest); err != nil && !errors.Is(err, http.ErrServerClosed) {
			c.Logger.Error("serve rest", "error", err)
		}
	}()
	n.closers = append(n.closers, web.Close)
	return nil
}

// maxRESTBody bounds a request; a transaction is the largest of them.
const maxRESTBody = 4 << 20

// allow lets pages of other origins call the gateway from a browser. Browser
// wallets need no such permission, pages with CosmJS in them do. The gateway
// knows no cookies and no logins: a page gets what everybody can.
func allow(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		w.Header().Add("Vary", "Origin")
		if origin == "" || !slices.Contains(origins, origin) && !slices.Contains(origins, "*") {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
			w.Header().Set("Access-Control-Allow-Headers", "Content-Type, X-Cosmos-Block-Height")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
