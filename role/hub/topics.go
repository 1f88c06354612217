package hub

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/live"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// part is a piece of a page that is replaced as a whole.
type part struct {
	name string
	body templ.Component
}

// fragments renders what a live page is made of.
func (h *Hub) fragments(ctx context.Context, topic string) ([]live.Fragment, error) {
	parts, err := h.parts(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := make([]live.Fragment, 0, len(parts))
	for _, p := range parts {
		var b bytes.Buffer
		if err := p.body.Render(ctx, &b); err != nil {
			return nil, err
		}
		out = append(out, live.Fragment{Name: p.name, HTML: b.Bytes()})
	}
	return out, nil
}

func (h *Hub) parts(ctx context.Context, topic string) ([]part, error) {
	name, numbers, err := splitTopic(topic)
	if err != nil {
		return nil, err
	}
	switch {
	case topic == "front":
		f, err := h.front(ctx)
		return []part{
			{"hero", page.Hero(f)}, {"ladder", page.Ladder(f)}, {"loss", page.LossPanel(f.Loss)}, {"crew", page.CrewPanel(f)},
			{"tiles", page.Tiles(f)}, {"flow", page.FlowPanel(f)}, {"news", page.NewsPanel(f.News)},
		}, err
	case name == "rung" && len(numbers) == 1, name == "rung" && len(numbers) == 3, name == "last" && len(numbers) == 2:
		var shown page.Range
		switch len(numbers) {
		case 2:
			shown.Last = numbers[1]
		case 3:
			shown.From, shown.To = crescendo.Round(numbers[1]), crescendo.Round(numbers[2])
		}
		if shown.Topic(crescendo.RungID(numbers[0])) != topic || shown.To > 0 && shown.From > shown.To {
			return nil, crescendo.Errorf(crescendo.CodeNotFound, "there is no live page %q", topic)
		}
		p, err := h.rungPage(ctx, crescendo.RungID(numbers[0]), shown)
		return []part{{"rung", page.RungBody(p)}}, err
	case name == "round" && len(numbers) == 2:
		p, err := h.roundPage(ctx, crescendo.RungID(numbers[0]), crescendo.Round(numbers[1]))
		return []part{{"round", page.RoundBody(p)}}, err
	case name == "model" && len(numbers) == 1:
		var doc page.Document
		err := h.read(func(f *facts) error {
			r, err := f.rung(crescendo.RungID(numbers[0]))
			if err != nil {
				return err
			}
			_, doc, err = f.model(r)
			return err
		})
		return []part{{"page", page.ArticleBody(doc)}}, err
	}
	_, doc, err := h.articles(topic)
	return []part{{"page", page.ArticleBody(doc)}}, err
}

// splitTopic reads "round-1-7" as a name and numbers.
func splitTopic(topic string) (string, []uint32, error) {
	if len(topic) > 64 {
		return "", nil, crescendo.Errorf(crescendo.CodeNotFound, "there is no live page of that name")
	}
	parts := strings.Split(topic, "-")
	var numbers []uint32
	for _, p := range parts[1:] {
		n, err := strconv.ParseUint(p, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != p {
			return "", nil, crescendo.Errorf(crescendo.CodeNotFound, "there is no live page %q", topic)
		}
		numbers = append(numbers, uint32(n))
	}
	return parts[0], numbers, nil
}
