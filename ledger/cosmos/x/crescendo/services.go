package xcrescendo

import (
	"context"

	"google.golang.org/grpc"

	"github.com/cosmos/gogoproto/proto"

	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/evaluationv1"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/fundingv1"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/governancev1"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/inferencev1"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/programv1"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/researchv1"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/revenuev1"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/sealingv1"
	"github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo/trainingv1"
	"github.com/crescendo-network/crescendo/program"
)

// service is one rule's message service.
type service struct {
	desc   *grpc.ServiceDesc
	server any
}

func services(k Keeper) []service {
	return []service{
		{&programv1.Msg_serviceDesc, programServer{k}},
		{&fundingv1.Msg_serviceDesc, fundingServer{k}},
		{&researchv1.Msg_serviceDesc, researchServer{k}},
		{&trainingv1.Msg_serviceDesc, trainingServer{k}},
		{&evaluationv1.Msg_serviceDesc, evaluationServer{k}},
		{&sealingv1.Msg_serviceDesc, sealingServer{k}},
		{&inferencev1.Msg_serviceDesc, inferenceServer{k}},
		{&revenuev1.Msg_serviceDesc, revenueServer{k}},
		{&governancev1.Msg_serviceDesc, governanceServer{k}},
	}
}

// message is what protoc-gen-gocosmos generates.
type message interface {
	proto.Message
	Marshal() ([]byte, error)
}

// handle turns a generated message into the rule's own and applies it.
func (k Keeper) handle(ctx context.Context, m message) error {
	raw, err := m.Marshal()
	if err != nil {
		return err
	}
	decoded, err := program.Decode("/"+proto.MessageName(m), raw)
	if err != nil {
		return refusalOf(err)
	}
	if err := decoded.Check(); err != nil {
		return refusalOf(err)
	}
	return k.apply(ctx, decoded, len(raw))
}

type (
	programServer    struct{ Keeper }
	fundingServer    struct{ Keeper }
	researchServer   struct{ Keeper }
	trainingServer   struct{ Keeper }
	evaluationServer struct{ Keeper }
	sealingServer    struct{ Keeper }
	inferenceServer  struct{ Keeper }
	revenueServer    struct{ Keeper }
	governanceServer struct{ Keeper }
)

func (s programServer) OpenRaise(ctx context.Context, m *programv1.MsgOpenRaise) (*programv1.MsgOpenRaiseResponse, error) {
	return &programv1.MsgOpenRaiseResponse{}, s.handle(ctx, m)
}

func (s fundingServer) Contribute(ctx context.Context, m *fundingv1.MsgContribute) (*fundingv1.MsgContributeResponse, error) {
	return &fundingv1.MsgContributeResponse{}, s.handle(ctx, m)
}

func (s fundingServer) Refund(ctx context.Context, m *fundingv1.MsgRefund) (*fundingv1.MsgRefundResponse, error) {
	return &fundingv1.MsgRefundResponse{}, s.handle(ctx, m)
}

func (s researchServer) Register(ctx context.Context, m *researchv1.MsgRegister) (*researchv1.MsgRegisterResponse, error) {
	return &researchv1.MsgRegisterResponse{}, s.handle(ctx, m)
}

func (s researchServer) Adopt(ctx context.Context, m *researchv1.MsgAdopt) (*researchv1.MsgAdoptResponse, error) {
	return &researchv1.MsgAdoptResponse{}, s.handle(ctx, m)
}

func (s trainingServer) Join(ctx context.Context, m *trainingv1.MsgJoin) (*trainingv1.MsgJoinResponse, error) {
	return &trainingv1.MsgJoinResponse{}, s.handle(ctx, m)
}

func (s trainingServer) Leave(ctx context.Context, m *trainingv1.MsgLeave) (*trainingv1.MsgLeaveResponse, error) {
	return &trainingv1.MsgLeaveResponse{}, s.handle(ctx, m)
}

func (s trainingServer) Start(ctx context.Context, m *trainingv1.MsgStart) (*trainingv1.MsgStartResponse, error) {
	return &trainingv1.MsgStartResponse{}, s.handle(ctx, m)
}

func (s trainingServer) Commit(ctx context.Context, m *trainingv1.MsgCommit) (*trainingv1.MsgCommitResponse, error) {
	return &trainingv1.MsgCommitResponse{}, s.handle(ctx, m)
}

func (s trainingServer) Reveal(ctx context.Context, m *trainingv1.MsgReveal) (*trainingv1.MsgRevealResponse, error) {
	return &trainingv1.MsgRevealResponse{}, s.handle(ctx, m)
}

func (s trainingServer) Attest(ctx context.Context, m *trainingv1.MsgAttest) (*trainingv1.MsgAttestResponse, error) {
	return &trainingv1.MsgAttestResponse{}, s.handle(ctx, m)
}

func (s evaluationServer) Register(ctx context.Context, m *evaluationv1.MsgRegister) (*evaluationv1.MsgRegisterResponse, error) {
	return &evaluationv1.MsgRegisterResponse{}, s.handle(ctx, m)
}

func (s evaluationServer) CommitVote(ctx context.Context, m *evaluationv1.MsgCommitVote) (*evaluationv1.MsgCommitVoteResponse, error) {
	return &evaluationv1.MsgCommitVoteResponse{}, s.handle(ctx, m)
}

func (s evaluationServer) RevealVote(ctx context.Context, m *evaluationv1.MsgRevealVote) (*evaluationv1.MsgRevealVoteResponse, error) {
	return &evaluationv1.MsgRevealVoteResponse{}, s.handle(ctx, m)
}

func (s evaluationServer) Replay(ctx context.Context, m *evaluationv1.MsgReplay) (*evaluationv1.MsgReplayResponse, error) {
	return &evaluationv1.MsgReplayResponse{}, s.handle(ctx, m)
}

func (s sealingServer) RegisterVault(ctx context.Context, m *sealingv1.MsgRegisterVault) (*sealingv1.MsgRegisterVaultResponse, error) {
	return &sealingv1.MsgRegisterVaultResponse{}, s.handle(ctx, m)
}

func (s sealingServer) RegisterKeeper(ctx context.Context, m *sealingv1.MsgRegisterKeeper) (*sealingv1.MsgRegisterKeeperResponse, error) {
	return &sealingv1.MsgRegisterKeeperResponse{}, s.handle(ctx, m)
}

func (s sealingServer) Seal(ctx context.Context, m *sealingv1.MsgSeal) (*sealingv1.MsgSealResponse, error) {
	return &sealingv1.MsgSealResponse{}, s.handle(ctx, m)
}

func (s sealingServer) RequestKey(ctx context.Context, m *sealingv1.MsgRequestKey) (*sealingv1.MsgRequestKeyResponse, error) {
	return &sealingv1.MsgRequestKeyResponse{}, s.handle(ctx, m)
}

func (s sealingServer) HandOver(ctx context.Context, m *sealingv1.MsgHandOver) (*sealingv1.MsgHandOverResponse, error) {
	return &sealingv1.MsgHandOverResponse{}, s.handle(ctx, m)
}

func (s sealingServer) PublishKey(ctx context.Context, m *sealingv1.MsgPublishKey) (*sealingv1.MsgPublishKeyResponse, error) {
	return &sealingv1.MsgPublishKeyResponse{}, s.handle(ctx, m)
}

func (s sealingServer) Allow(ctx context.Context, m *sealingv1.MsgAllow) (*sealingv1.MsgAllowResponse, error) {
	return &sealingv1.MsgAllowResponse{}, s.handle(ctx, m)
}

func (s inferenceServer) Open(ctx context.Context, m *inferencev1.MsgOpen) (*inferencev1.MsgOpenResponse, error) {
	return &inferencev1.MsgOpenResponse{}, s.handle(ctx, m)
}

func (s inferenceServer) Settle(ctx context.Context, m *inferencev1.MsgSettle) (*inferencev1.MsgSettleResponse, error) {
	return &inferencev1.MsgSettleResponse{}, s.handle(ctx, m)
}

func (s inferenceServer) Close(ctx context.Context, m *inferencev1.MsgClose) (*inferencev1.MsgCloseResponse, error) {
	return &inferencev1.MsgCloseResponse{}, s.handle(ctx, m)
}

func (s revenueServer) Claim(ctx context.Context, m *revenuev1.MsgClaim) (*revenuev1.MsgClaimResponse, error) {
	return &revenuev1.MsgClaimResponse{}, s.handle(ctx, m)
}

func (s governanceServer) Propose(ctx context.Context, m *governancev1.MsgPropose) (*governancev1.MsgProposeResponse, error) {
	return &governancev1.MsgProposeResponse{}, s.handle(ctx, m)
}

func (s governanceServer) Vote(ctx context.Context, m *governancev1.MsgVote) (*governancev1.MsgVoteResponse, error) {
	return &governancev1.MsgVoteResponse{}, s.handle(ctx, m)
}

func (s researchServer) NameCorpus(ctx context.Context, m *researchv1.MsgNameCorpus) (*researchv1.MsgNameCorpusResponse, error) {
	return &researchv1.MsgNameCorpusResponse{}, s.handle(ctx, m)
}

func (s researchServer) Enter(ctx context.Context, m *researchv1.MsgEnter) (*researchv1.MsgEnterResponse, error) {
	return &researchv1.MsgEnterResponse{}, s.handle(ctx, m)
}

func (s researchServer) RevealEntry(ctx context.Context, m *researchv1.MsgRevealEntry) (*researchv1.MsgRevealEntryResponse, error) {
	return &researchv1.MsgRevealEntryResponse{}, s.handle(ctx, m)
}

func (s researchServer) Run(ctx context.Context, m *researchv1.MsgRun) (*researchv1.MsgRunResponse, error) {
	return &researchv1.MsgRunResponse{}, s.handle(ctx, m)
}

func (s researchServer) CommitTrial(ctx context.Context, m *researchv1.MsgCommitTrial) (*researchv1.MsgCommitTrialResponse, error) {
	return &researchv1.MsgCommitTrialResponse{}, s.handle(ctx, m)
}

func (s researchServer) RevealTrial(ctx context.Context, m *researchv1.MsgRevealTrial) (*researchv1.MsgRevealTrialResponse, error) {
	return &researchv1.MsgRevealTrialResponse{}, s.handle(ctx, m)
}
