package hub

import (
	"encoding/csv"
	"net/http"
	"strings"

	"github.com/crescendo-network/crescendo/role/hub/page"
)

// answerCSV sends a table. Values that a spreadsheet would run as formulas are
// quoted: strangers choose names.
func answerCSV(w http.ResponseWriter, name string, head []string, rows [][]string) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	w.Header().Set("Cache-Control", "no-store")
	c := csv.NewWriter(w)
	c.Write(head)
	for _, row := range rows {
		for i, v := range row {
			if v != "" && strings.ContainsAny(v[:1], "=+@\t\r") || strings.HasPrefix(v, "-") && !isNumber(v) {
				row[i] = "'" + v
			}
		}
		c.Write(row)
	}
	c.Flush()
}

func isNumber(s string) bool { return strings.Trim(s, "-.0123456789") == "" }

func lossRows(l page.Loss) [][]string {
	var rows [][]string
	for _, p := range l.Points {
		rows = append(rows, []string{page.Decimal(p.Round), page.Decimal(p.Nats), page.Fixed(p.Bits, 6), page.Stamp(p.Time)})
	}
	return rows
}

func roundRows(r page.Rung) [][]string {
	var rows [][]string
	for _, x := range r.Rounds {
		rows = append(rows, []string{page.Decimal(x.Round), page.Decimal(x.Loss), page.Decimal(x.Included), page.Decimal(x.Tokens), page.Decimal(x.Uploaded),
			page.Decimal(x.Millis), page.Decimal(x.Attempts), page.Decimal(x.Height), x.Checkpoint.String()})
	}
	return rows
}

func moneyRows(f page.Flow) [][]string {
	rows := [][]string{{"raised", "", f.Raised.String()}}
	add := func(group string, parts []page.Part) {
		for _, p := range parts {
			rows = append(rows, []string{group, p.Name, p.Amount.String()})
		}
	}
	add("source", f.Sources)
	add("use", f.Uses)
	rows = append(rows, []string{"earned", "", f.Earned.String()})
	add("share", f.Shares)
	return append(rows, []string{"due to holders", "", f.Due.String()}, []string{"treasury", "", f.Treasury.String()})
}

func paymentRows(s Statement) [][]string {
	var rows [][]string
	for _, p := range s.Payments {
		rows = append(rows, []string{page.Decimal(p.Height), page.Stamp(p.Time), p.Tx, string(p.From), string(p.To), p.Amount.String()})
	}
	return rows
}

func shareRows(s Statement) [][]string {
	var rows [][]string
	for _, k := range s.Rungs {
		rows = append(rows, []string{page.Decimal(k.Rung), k.Shares.String(), k.Of.String(), k.Credited.String(), k.Claimed.String(), k.Due.String(), k.Cap.String()})
	}
	return rows
}

func holderRows(t Treasury) [][]string {
	var rows [][]string
	for _, h := range t.Holders {
		rows = append(rows, []string{page.Decimal(h.Rung), string(h.Person.Account), h.Shares.String(), h.Credited.String()})
	}
	return rows
}
