package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"evenkeel/drill/load"
	"evenkeel/drill/report"
)

// pageOf is how many orders are read at once.
const pageOf = 500

// row is an order as a node shows it.
type row struct {
	ID       string `json:"id"`
	ClientID string `json:"client_order_id"`
	Symbol   string `json:"symbol"`
	Quantity string `json:"qty"`
	Side     string `json:"side"`
	Price    string `json:"limit_price"`
	Status   string `json:"status"`
	Filled   string `json:"filled_qty"`
}

// audit compares what programs were told with what every node shows, with the log of every node, and with the
// exchange's journal. It ends the house: logs are read when nobody writes them.
func (h *house) audit(ctx context.Context, l *load.Load, a *report.Audit) error {
	record := l.Requests(time.Time{}, time.Time{})
	for _, wrong := range l.Wrong() {
		a.Wrong++
		a.Say("%s", wrong)
	}
	if err := h.settle(ctx); err != nil {
		return errors.Join(fmt.Errorf("ending all orders: %w", err), h.said())
	}
	told := map[string]*load.Request{} // by client order id
	for i := range record {
		switch r := &record[i]; {
		case r.Kind == load.Place:
			told[r.Wish.ClientID] = r
			if r.Outcome == load.Acknowledged {
				a.Orders++
			}
		case r.Outcome == load.Acknowledged:
			a.Cancels++
		}
	}
	var first map[string]row
	for _, n := range h.nodes {
		shown, err := h.shown(ctx, n)
		if err != nil {
			return fmt.Errorf("reading the orders of %s: %w", n.machine, err)
		}
		compareShown(n.machine, told, shown, a)
		if first == nil {
			first = shown
			continue
		}
		for client, o := range shown {
			if first[client] != o {
				a.Wrong++
				a.Say("%s shows %+v, %s shows %+v", n.machine, o, h.nodes[0].machine, first[client])
			}
		}
	}
	if err := h.end(); err != nil {
		return err
	}
	return h.compareBooks(told, a)
}

// settle cancels what lives until nothing does.
func (h *house) settle(ctx context.Context) error {
	client := load.NewClient([]load.Node{{ID: h.nodes[0].id, URL: h.nodes[0].url}}, h.trust, 0)
	defer client.Close()
	for _, who := range h.accounts {
		if err := await(ctx, "the end of all orders of "+who.Login, func() bool {
			var open []row
			a := client.Call(ctx, who, http.MethodGet, "/v2/orders?status=open&limit=500", nil)
			if a.Status != http.StatusOK || json.Unmarshal(a.Body, &open) != nil {
				return false
			}
			if len(open) > 0 {
				client.Call(ctx, who, http.MethodDelete, "/v2/orders", nil)
			}
			return len(open) == 0
		}); err != nil {
			return err
		}
	}
	return h.whole(ctx)
}

// shown are all orders of all accounts as a node shows them, by client order id.
func (h *house) shown(ctx context.Context, n *node) (map[string]row, error) {
	client := load.NewClient([]load.Node{{ID: n.id, URL: n.url}}, h.trust, 0)
	defer client.Close()
	all := map[string]row{}
	for _, who := range h.accounts {
		for after, more := "", true; more; {
			path := "/v2/orders?status=all&direction=asc&limit=" + strconv.Itoa(pageOf)
			if after != "" {
				path += "&after_order_id=" + after
			}
			var page []row
			a := client.Call(ctx, who, http.MethodGet, path, nil)
			if a.Status != http.StatusOK {
				return nil, fmt.Errorf("%s: %d %s %w", path, a.Status, a.Body, a.Err)
			}
			if err := json.Unmarshal(a.Body, &page); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			for _, o := range page {
				if twice, has := all[o.ClientID]; has {
					return nil, fmt.Errorf("client order id %s has two orders: %s and %s", o.ClientID, twice.ID, o.ID)
				}
				all[o.ClientID] = o
				after = o.ID
			}
			more = len(page) == pageOf
		}
	}
	return all, nil
}

// compareShown compares what programs were told with what a node shows.
func compareShown(machine string, told map[string]*load.Request, shown map[string]row, a *report.Audit) {
	for client, r := range told {
		o, has := shown[client]
		switch {
		case r.Outcome == load.Acknowledged && !has:
			a.Lost++
			a.Say("%s: %s was acknowledged as %s by node %d, and is not shown", machine, client, r.Order, r.Node)
		case r.Outcome == load.Refused && has:
			a.Wrong++
			a.Say("%s: %s was refused (%s), and is shown: %+v", machine, client, r.Why, o)
		case !has:
		case r.Outcome == load.Acknowledged && o.ID != r.Order:
			a.Duplicated++
			a.Say("%s: %s was acknowledged as %s, and is shown as %s", machine, client, r.Order, o.ID)
		case o.Symbol != r.Wish.Symbol || o.Quantity != r.Wish.Quantity || o.Side != r.Wish.Side ||
			load.Trimmed(o.Price) != load.Trimmed(r.Wish.Price):
			a.Wrong++
			a.Say("%s: asked for %+v, it shows %+v", machine, r.Wish, o)
		case strings.HasPrefix(o.Status, "pending") || o.Status == "new" || o.Status == "accepted" ||
			o.Status == "partially_filled":
			a.Wrong++
			a.Say("%s: %s is still %s", machine, client, o.Status)
		}
	}
	for client, o := range shown {
		if told[client] == nil {
			a.Wrong++
			a.Say("%s shows %s, which nobody asked for: %+v", machine, client, o)
		}
	}
}

// end ends all processes as an operator would.
func (h *house) end() (err error) {
	for _, n := range h.nodes {
		err = errors.Join(err, n.stop())
	}
	return errors.Join(err, h.exchange.stop())
}

func (h *house) exchangeData() string { return filepath.Join(h.dir, "exchange") }
