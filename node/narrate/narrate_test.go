package narrate

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
)

func TestLine(t *testing.T) {
	n := New("udemo")
	ada := crescendo.Account("cresc1w508d6qejxtdg4y5r3zarvary0c5xw7kynwnd2")
	n.Name(ada, "ada")
	n.Text(3000, 1000)
	for _, c := range []struct {
		event crescendo.Event
		want  string
	}{
		{crescendo.NewEvent("funding.contributed", 1, "account", ada, "amount", 1500000, "raised", 2000000),
			"rung 1  ada buys 1.50 DEMO of shares, 2.00 DEMO raised so far"},
		{crescendo.NewEvent("training.round-closed", 2, "round", 3, "included", 4, "payloads", 5, "tokens", 6, "before", 4000000, "paid", 1),
			"rung 2  round 3 closed: 4 of 5 payloads, 6 tokens, loss 4.000 nats (1.924 bits/byte), 0.000001 DEMO paid"},
		{crescendo.NewEvent("governance.voted", 1, "proposal", 3, "by", ada, "vote", "yes", "weight", 1000000, "yes", 2000000, "no", 0, "eligible", 4000000),
			"rung 1  proposal 3: ada votes yes with 1.00 DEMO of shares; yes 2.00 DEMO, no 0.00 DEMO of 4.00 DEMO"},
		{crescendo.NewEvent("governance.proposed", 1, "proposal", 3, "kind", "halt", "by", ada, "text", "stop \x1b[2Jit"),
			"rung 1  proposal 3, halt, by ada: stop [2Jit"},
		{crescendo.NewEvent("research.revealed", 1, "recipe", crescendo.Hash{1}, "author", ada, "name", "mine\a", "parents", 2),
			"rung 1  ada shows recipe 01000000 (mine), which builds on 2 others"},
		{crescendo.NewEvent("research.ranked", 1, "stage", 1, "rank", 2, "of", 3, "recipe", crescendo.Hash{1}, "loss", 3000000, "mean", -250000, "low", -300000, "high", -200000, "n", 64),
			"rung 1  stage 1, rank 2 of 3: 01000000 (mine) at 3.000 nats (1.443 bits/byte), -0.250 nats (-0.120 bits/byte) better than the programme's own (-0.300 nats (-0.144 bits/byte) to -0.200 nats (-0.096 bits/byte), n 64)"},
		{crescendo.NewEvent("unheard.of", 0, "key", "value"), "unheard.of key=value"},
		{crescendo.NewEvent("training.left", 1, "trainer", "cresc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqx", "reason", "\x1b[2Jgone"),
			"rung 1  cresc1qq..qqqx leaves: [2Jgone"},
		{crescendo.NewEvent("funding.contributed", 1, "account", ada, "amount", "much"), "rung 1  ada buys much of shares,  raised so far"},
	} {
		if got, _ := n.Line(c.event); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

func TestFormsHaveOneLine(t *testing.T) {
	for kind, f := range forms {
		if strings.ContainsAny(f.text, "\n\r") || f.text == "" {
			t.Errorf("%s: %q", kind, f.text)
		}
	}
}
