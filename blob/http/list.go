package http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// List implements blob.Store: the names on the first mirror that lists any.
func (c *Client) List(ctx context.Context) iter.Seq2[crescendo.Hash, error] {
	return func(yield func(crescendo.Hash, error) bool) {
		var after crescendo.Hash
		for {
			page, err := c.page(ctx, after)
			if err != nil {
				yield(crescendo.Hash{}, fmt.Errorf("list blobs: %w", err))
				return
			}
			for _, h := range page {
				if !yield(h, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			after = page[len(page)-1]
		}
	}
}

func (c *Client) page(ctx context.Context, after crescendo.Hash) (page []crescendo.Hash, err error) {
	err = c.each(ctx, func(mirror string) error {
		ctx, cancel := context.WithTimeout(ctx, c.o.Stall)
		defer cancel()
		resp, err := c.send(ctx, http.MethodGet, mirror, "?after="+after.String(), nil, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return failure(resp, mirror)
		}
		page, err = parsePage(io.LimitReader(resp.Body, 65*maxListed), after)
		return err
	})
	return page, err
}

// parsePage insists on ascending order, without which List need not end.
func parsePage(r io.Reader, after crescendo.Hash) ([]crescendo.Hash, error) {
	var page []crescendo.Hash
	for lines := bufio.NewScanner(r); lines.Scan(); {
		h, err := crescendo.ParseHash(lines.Text())
		if err != nil {
			return nil, err
		}
		if blob.Compare(h, after) <= 0 {
			return nil, fmt.Errorf("names out of order at %s", h)
		}
		page, after = append(page, h), h
	}
	return page, nil
}
