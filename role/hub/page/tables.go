package page

import (
	"fmt"
	"strings"
)

func memberTable(r Rung) Table {
	t := Table{ID: "members", Caption: "Trainers of rung " + Decimal(r.Rung), Head: Columns("Trainer", "State", "Rounds#", "Tokens#", "Earned, "+r.Unit+"#"),
		Empty: "Nobody has a seat yet. Trainers join while the raise runs or later: crescendo training join URL"}
	for _, m := range r.Members {
		state := Text(m.State)
		if !m.Good {
			state.Class = "bad"
		}
		t.Rows = append(t.Rows, []Cell{Of(Person{m.Account, m.Name, m.Demo}), state, Text(Count(m.Rounds)), Text(Count(m.Tokens)), Text(Plain(m.Earned))})
	}
	return t
}

func rankTable(r Rung) Table {
	t := Table{ID: "ranking", Caption: "Ranking of rung " + Decimal(r.Rung), Head: Columns("Place#", "Trainer", "Mean gain#", "95 % interval#", "Rounds#", "")}
	for _, k := range r.Ranking {
		kept := Cell{Text: "kept for the next rung", Class: "good"}
		if !k.Kept {
			kept = Cell{Text: "not kept: " + k.Reason, Class: "warn"}
		}
		t.Rows = append(t.Rows, []Cell{Text(Decimal(k.Place)), Of(k.Person), Text(Count(k.Mean)),
			Text(Count(k.Lower) + " to " + Count(k.Upper)), Text(Count(k.Rounds)), kept})
	}
	return t
}

func roundTable(r Rung) Table {
	t := Table{ID: "rounds", Caption: "Rounds of rung " + Decimal(r.Rung), CSV: "/rung/" + Decimal(r.Rung) + "/rounds.csv" + r.Loss.Query(),
		Head:  Columns("Round#", "Loss before, nats#", "Payloads#", "Tokens#", "Uploaded#", "Took#", "Attempts#"),
		Empty: "No round has closed yet."}
	if r.Loss.Closed > 0 {
		t.Empty = "These rounds are not closed."
	}
	for i := len(r.Rounds) - 1; i >= 0; i-- {
		x := r.Rounds[i]
		t.Rows = append(t.Rows, []Cell{To(Decimal(x.Round), fmt.Sprintf("/rung/%d/round/%d", r.Rung, x.Round)), Text(Nats(x.Loss)),
			Text(Count(x.Included)), Text(Count(x.Tokens)), Text(Bytes(x.Uploaded)), Text(Fixed(float64(x.Millis)/1000, 1) + " s"), Text(Decimal(x.Attempts))})
	}
	return t
}

func workTable(r Round) Table {
	t := Table{ID: "works", Caption: "Work of trainers in round " + Decimal(r.Round),
		Head:  Columns("Trainer", "State", "Payload", "Size#", "Held by#", "Gain, micro-nats#", "Pay, "+r.Unit+"#", "Audit"),
		Empty: "Nobody has committed work yet."}
	for _, w := range r.Works {
		payload, gain := Cell{Text: "–"}, Text("–")
		if !w.Payload.IsZero() {
			payload = Cell{Text: w.Payload.Short(), Link: "/blob/" + w.Payload.String(), Class: "mono"}
		}
		if w.Scored {
			gain = Text(Count(w.Gain))
		}
		audit := Text(w.Audit)
		if w.Fault != "" {
			audit = Cell{Text: w.Fault, Class: "bad"}
		}
		t.Rows = append(t.Rows, []Cell{Of(w.Person), Text(w.State), payload, Text(Bytes(w.Bytes)), Text(Decimal(w.Holders)), gain, Text(Plain(w.Pay)), audit})
	}
	return t
}

func voteTable(r Round) Table {
	t := Table{ID: "votes", Caption: "Votes of evaluators in round " + Decimal(r.Round), Head: Columns("Evaluator", "Vote", "Replayed", "Pay, "+r.Unit+"#"),
		Empty: "No evaluator has voted yet."}
	for _, v := range r.Votes {
		vote := Cell{Text: v.Vote, Class: "mono"}
		if v.Carried {
			vote.Text += " carried"
		}
		replays := "–"
		if len(v.Replays) > 0 {
			replays = strings.Join(v.Replays, "; ")
		}
		t.Rows = append(t.Rows, []Cell{Of(v.Person), vote, Text(replays), Text(Plain(v.Pay))})
	}
	return t
}
