package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// eventsPage lists everything that happened, last first, a page at a time.
func (h *Hub) eventsPage(r *http.Request) ([]page.News, page.Document, error) {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	f := record.Filter{Before: max(0, before), Limit: 100}
	if rung, err := strconv.ParseUint(r.URL.Query().Get("rung"), 10, 32); err == nil {
		f.Rung = crescendo.RungID(rung)
	}
	news, err := h.news(r.Context(), f)
	doc := page.Document{Title: "Everything that happened", Lead: "Every event of every rule, as the hub executed it.",
		Sections: []page.Section{{ID: "events", Title: "Events", Note: "last first", News: news}}}
	if len(news) == f.Limit {
		doc.Sections[0].Text = []page.Paragraph{{Text: "", Link: fmt.Sprintf("/events?before=%d&rung=%d", news[len(news)-1].ID, f.Rung), Name: "earlier"}}
	}
	return news, doc, err
}

// BlockPage is a block and what is in it.
type BlockPage struct {
	Block  record.Block `json:"block"`
	Txs    []record.Tx  `json:"transactions"`
	Events []page.News  `json:"events"`
}

func (h *Hub) blockPage(ctx context.Context, height crescendo.Height) (BlockPage, page.Document, error) {
	var out BlockPage
	var err error
	if out.Block, err = h.c.Model.Block(ctx, height); err != nil {
		return out, page.Document{}, err
	}
	if out.Txs, err = h.c.Model.Txs(ctx, height, "", 0); err != nil {
		return out, page.Document{}, err
	}
	if out.Events, err = h.news(ctx, record.Filter{Height: height, Oldest: true}); err != nil {
		return out, page.Document{}, err
	}
	txs := page.Table{ID: "txs", Caption: "Transactions", Head: page.Columns("Transaction", "By", "What", "Outcome"), Empty: "It holds no transaction."}
	for _, t := range out.Txs {
		outcome := page.Cell{Text: "carried out", Class: "good"}
		if t.Code != 0 {
			outcome = page.Cell{Text: "refused", Class: "warn"}
		}
		txs.Rows = append(txs.Rows, []page.Cell{page.To(t.Hash[:8], "/tx/"+t.Hash), page.To(page.ShortAccount(t.Signer), "/contributor/"+string(t.Signer)), page.Text(t.Kinds), outcome})
	}
	b := out.Block
	verdict := page.Fact{Label: "Executed here", Value: "with the recorded result", Class: "good"}
	if b.Wrong != "" {
		verdict.Value, verdict.Class = b.Wrong, "bad"
	}
	return out, page.Document{
		Crumbs: []page.Cell{page.To("Events", "/events")}, Title: "Block " + page.Count(b.Height), Lead: page.Stamp(b.Time),
		Facts: []page.Fact{{Label: "Hash", Value: b.Hash, Class: "mono"}, {Label: "Signed by", Value: fmt.Sprintf("%d of %d validators", b.Signed, b.Validators)}, verdict,
			{Label: "Before", Value: "block " + page.Count(b.Height-1), Link: "/block/" + page.Decimal(b.Height-1)}, {Label: "After", Value: "block " + page.Count(b.Height+1), Link: "/block/" + page.Decimal(b.Height+1)}},
		Sections: []page.Section{{ID: "txs-title", Title: "Transactions", Table: &txs}, {ID: "events-title", Title: "What happened", News: out.Events}},
		Claim:    "Make sure that you see the same chain as everybody:", Command: fmt.Sprintf("crescendo audit --trust %d:%s", b.Height, b.Hash),
	}, nil
}

// blobPage says how to get a blob; the archive serves it.
func (h *Hub) blobPage(name string) (any, page.Document, error) {
	id, err := crescendo.ParseHash(name)
	if err != nil {
		return nil, page.Document{}, crescendo.Errorf(crescendo.CodeInvalid, "blob %.70q: want 64 hexadecimal digits", name)
	}
	data := map[string]string{"blob": id.String(), "archive": h.c.Archive}
	return data, page.Document{Title: "Blob " + id.Short(), Lead: "Bytes named by their BLAKE3 hash. Whoever gives you other bytes is found out.",
		Facts: []page.Fact{{Label: "Name", Value: id.String(), Class: "mono"}},
		Claim: "Fetch it from any archive of the programme:", Command: fmt.Sprintf("curl -O %s/v1/blobs/%s", h.c.Archive, id)}, nil
}

// recipePage shows a recipe's content and lineage.
func (f *facts) recipePage(name string) (any, page.Document, error) {
	id, err := crescendo.ParseHash(name)
	if err != nil {
		return nil, page.Document{}, crescendo.Errorf(crescendo.CodeInvalid, "recipe %.70q: want 64 hexadecimal digits", name)
	}
	origin, err := kv.Optional(research.Origins.Get(f.State, id[:]))
	if err != nil {
		return nil, page.Document{}, err
	}
	content, err := kv.Optional(research.Contents.Get(f.State, id[:]))
	if err != nil {
		return nil, page.Document{}, err
	}
	if origin.Author == "" && content.Author == "" {
		return nil, page.Document{}, crescendo.Errorf(crescendo.CodeNotFound, "no recipe %s is known", id.Short())
	}
	doc := page.Document{Crumbs: []page.Cell{page.To("Research", "/research")}, Title: f.recipeName(id), Lead: "A recipe says how a rung is trained. What it leaves out is as the programme has it.",
		Facts: []page.Fact{{Label: "Recipe", Value: id.String(), Class: "mono"}}}
	if origin.Author != "" {
		p := f.person(origin.Author)
		doc.Facts = append(doc.Facts, page.Fact{Label: "First entered by", Value: p.Name, Link: "/contributor/" + string(p.Account)},
			page.Fact{Label: "In rung", Value: page.Decimal(origin.Rung), Link: "/rung/" + page.Decimal(origin.Rung)})
	}
	lineage := page.Table{ID: "lineage", Caption: "Builds on", Head: page.Columns("Recipe", "Author"), Empty: "It builds on no other recipe, and owes nobody a royalty."}
	for _, p := range content.Parents {
		o, err := kv.Optional(research.Origins.Get(f.State, p[:]))
		if err != nil {
			return nil, doc, err
		}
		lineage.Rows = append(lineage.Rows, []page.Cell{page.To(f.recipeName(p), "/recipe/"+p.String()), page.Of(f.person(o.Author))})
	}
	doc.Sections = append(doc.Sections, page.Section{ID: "lineage-title", Title: "Lineage", Note: "royalties follow it", Table: &lineage})
	if text := textOf(content); text != nil {
		doc.Sections = append(doc.Sections, *text)
	}
	if items, err := f.itemsSection(content); err != nil {
		return nil, doc, err
	} else if items != nil {
		doc.Sections = append(doc.Sections, *items)
	}
	if content.Author != "" {
		text, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return nil, doc, err
		}
		doc.Sections = append(doc.Sections, page.Section{ID: "content", Title: "Content", Code: string(text)})
	}
	return map[string]any{"recipe": id, "origin": origin, "content": content}, doc, nil
}
