package narrate

// form is how one kind of event reads.
type form struct {
	text    string
	details bool
}

var forms = map[string]form{
	"program.stage": {text: "{from} -> {to}"},

	"funding.opened":      {text: "raise opens: {soft-cap$} to {hard-cap$}"},
	"funding.contributed": {text: "{account} buys {amount$} of shares, {raised$} raised so far"},
	"funding.succeeded":   {text: "raise closed: {raised$} from {holders} holders, {reinvested$} of it reinvested"},
	"funding.failed":      {text: "raise failed, {reason}: {raised$} of at least {soft-cap$}; holders take refunds"},
	"funding.refunded":    {text: "{account} takes {amount$} back"},
	"funding.drawn":       {text: "purse pays {amount$}, {left$} left", details: true},

	"governance.proposed": {text: "proposal {proposal}, {kind}, by {by}: {text}"},
	"governance.voted":    {text: "proposal {proposal}: {by} votes {vote} with {weight$} of shares; yes {yes$}, no {no$} of {eligible$}"},
	"governance.passed":   {text: "proposal {proposal}, {kind}, has passed: yes {yes$}, no {no$} of {eligible$}"},
	"governance.rejected": {text: "proposal {proposal}, {kind}, is rejected, {reason}: yes {yes$}, no {no$} of {eligible$}"},
	"governance.halted":   {text: "its holders halt the rung while it is {stage}: {refundable$} are refunded, {spent$} were spent"},
	"governance.lapsed":   {text: "proposal {proposal} comes too late: {reason}"},

	"research.registered": {text: "{author} enters recipe {recipe}"},
	"research.adopted":    {text: "recipe {recipe} of {author} is adopted"},

	"training.started":        {text: "training starts: {rounds} rounds, {per-round$} for each"},
	"training.joined":         {text: "{trainer} joins from round {from}, bond {bond$}"},
	"training.left":           {text: "{trainer} leaves: {reason}"},
	"training.round-opened":   {text: "round {round} opens for {members} trainers on base {base}", details: true},
	"training.committed":      {text: "round {round}: {trainer} commits", details: true},
	"training.revealing":      {text: "round {round}: {committed} committed, reveals begin", details: true},
	"training.revealed":       {text: "round {round}: {trainer} reveals {bytes} bytes", details: true},
	"training.available":      {text: "round {round}: payload of {trainer} is available", details: true},
	"training.drawn":          {text: "round {round}: {payloads} payloads, {windows} windows drawn for replay", details: true},
	"training.unveiling":      {text: "round {round}: votes are opened", details: true},
	"training.round-closed":   {text: "round {round} closed: {included} of {payloads} payloads, {tokens} tokens, loss {before~}, {paid$} paid"},
	"training.round-void":     {text: "round {round} is void, {reason}: it is tried again"},
	"training.audited":        {text: "round {round}: window of {trainer} replayed: {result}", details: true},
	"training.expelled":       {text: "{trainer} is expelled: {fault}; {burned$} burned"},
	"training.auditing":       {text: "all rounds done, {open} windows still being replayed"},
	"training.abandoned":      {text: "training is abandoned: what is unspent is refunded"},
	"training.bonds-returned": {text: "bonds of {members} trainers are returned"},
	"training.finished":       {text: "training finished after {rounds} rounds: {released$} released, final checkpoint {final}"},

	"evaluation.registered": {text: "evaluator {evaluator} registers, bond {bond$}"},
	"evaluation.committed":  {text: "round {round}: {evaluator} commits its vote", details: true},
	"evaluation.voted":      {text: "round {round}: {evaluator} votes", details: true},
	"evaluation.replayed":   {text: "round {round}: {evaluator} replays {trainer}: match {match}", details: true},
	"evaluation.disputed":   {text: "round {round}: {evaluator} says that the window of {trainer} does not replay"},
	"evaluation.dismissed":  {text: "round {round}: the window of {trainer} replays after all"},
	"evaluation.suspended":  {text: "{evaluator} is absent and counts no more: missed {missed} rounds"},
	"evaluation.reinstated": {text: "{evaluator} is back"},
	"evaluation.slashed":    {text: "{evaluator} loses {burned$} of its bond: {reason}"},
	"evaluation.paid":       {text: "{evaluator} is paid {amount$}", details: true},
	"evaluation.ranked":     {text: "rank {rank}: {trainer}, kept {kept}"},

	"sealing.allowed":           {text: "vault program {measurement} is on the policy"},
	"sealing.denied":            {text: "vault program {measurement} is off the policy"},
	"sealing.keeper-registered": {text: "{keeper} keeps keys"},
	"sealing.keeper-appointed":  {text: "{keeper} is appointed as a keeper of keys"},
	"sealing.vault-accepted":    {text: "vault {vault} of {operator} accepted ({assurance})"},
	"sealing.sealed":            {text: "sealed by vault {vault}: container {container}, loss {loss~} by the vault's word"},
	"sealing.key-requested":     {text: "vault {vault} asks the keepers for the key"},
	"sealing.handed-over":       {text: "{keeper} hands its share to vault {vault}"},
	"sealing.may-open":          {text: "the policy opens the weights: {reason}"},
	"sealing.opened":            {text: "the key is published: the weights are open"},

	"inference.opened":  {text: "{client} opens session {session} with {escrow$} in escrow"},
	"inference.settled": {text: "session {session} settles {requests} requests, {input} + {output} tokens: {amount$}"},
	"inference.closing": {text: "session {session} closes", details: true},
	"inference.closed":  {text: "session {session} closed: {settled$} paid, {refunded$} refunded"},

	"revenue.distributed": {text: "{amount$} shared: operators {operators$}, holders {holders$}, contributors {contributors$}, next rung {next$}"},
	"revenue.repaid":      {text: "holders have been repaid: {holders$}"},
	"revenue.claimed":     {text: "{account} claims: operator {operator$}, holder {holder$}, contributor {contributor$}"},
}
