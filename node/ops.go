package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"evenkeel/api"
	"evenkeel/auth"
	"evenkeel/core/trade"
)

// What staff decide for the whole house is kept by an account of the house in shard 0, which nobody can log in to:
// as its documents, so as entries of that log. The leader of shard 0 carries acts out, one at a time, so that their
// record has one order.
const (
	houseLogin = "house." // and a number that puts it into shard 0
	houseState = auth.HousePrefix + "house"
	houseActs  = auth.HousePrefix + "acts"
	actsKept   = 40 // in the document; older ones are in the history of the house's account
	houseLook  = 25 * time.Millisecond
	saidKept   = 300 // characters of what came of an act
)

// actsDocument is the record of what staff did, newest first.
type actsDocument struct {
	Last uint64       `json:"last"`
	Acts []api.OpsAct `json:"acts"`
}

// houseName is the login of the house's account.
func (n *Node) houseName() string {
	for i := 0; ; i++ {
		if name := fmt.Sprint(houseLogin, i); auth.ShardOf(name, max(1, n.config.Shards)) == 0 {
			return name
		}
	}
}

// houseDocument reads a document of the house's account.
func (n *Node) houseDocument(name string) []byte {
	id, _, ok := n.directory.ByLogin(n.houseName())
	if !ok {
		return nil
	}
	body, _ := n.documents.Document(id, name)
	return body
}

// watchHouse keeps what staff decided at hand: every order asks for it.
func (n *Node) watchHouse(ctx context.Context) {
	for {
		n.lookAtHouse()
		if !pause(ctx, houseLook) {
			return
		}
	}
}

func (n *Node) lookAtHouse() {
	body := n.houseDocument(houseState)
	if kept := n.decided.Load(); kept != nil && bytes.Equal(kept.text, body) {
		return
	}
	v := &decision{text: body, over: make(chan struct{})}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &v.OpsHouse); err != nil {
			n.log.Error("what staff decided cannot be read", "error", err)
		}
	}
	if before := n.decided.Swap(v); before != nil {
		close(before.over)
	}
}

// decision is what staff decided for the house.
type decision struct {
	api.OpsHouse
	text []byte
	over chan struct{} // closed when it holds no more
}

// decision is what staff decided, as this node knows.
func (n *Node) decision() api.OpsHouse {
	if v := n.decided.Load(); v != nil {
		return v.OpsHouse
	}
	return api.OpsHouse{}
}

// houseNews is a channel that is closed when staff decide otherwise; nil: it is not known yet what they decided.
func (n *Node) houseNews() <-chan struct{} {
	if v := n.decided.Load(); v != nil {
		return v.over
	}
	return nil
}

// staff is the house as the operators' page sees it.
type staff struct{ n *Node }

// Look implements api.Ops.
func (p staff) Look(ctx context.Context) api.OpsLook {
	n := p.n
	v := api.OpsLook{Node: n.config.Node, House: n.decision(), Halts: []api.OpsHalt{}, Acts: n.acts().Acts}
	if v.Acts == nil {
		v.Acts = []api.OpsAct{}
	}
	for _, s := range n.listing().Securities() {
		if n.listing().Halted(s.ID) {
			v.Halts = append(v.Halts, api.OpsHalt{Symbol: string(s.Symbol), Name: string(s.Name)})
		}
	}
	for _, one := range n.standings(ctx) {
		v.Nodes = append(v.Nodes, one.ops())
	}
	return v
}

// ops is a node's standing as the operators' page tells it.
func (v *Standing) ops() api.OpsNode {
	o := api.OpsNode{Node: v.Node, Trouble: v.Trouble, Version: v.Version, Draining: v.Draining,
		Up: v.Up.Milliseconds(), Waits: append([]string{}, v.Waits...), Load: v.Load, Shards: []api.OpsShard{}}
	for i := range v.Shards {
		s := &v.Shards[i]
		one := api.OpsShard{Shard: s.Shard, Leader: s.Leader, Leads: s.Leads, Term: s.Term, Applied: s.Applied,
			Committed: s.Committed, Snapshot: s.Snapshot, Queued: s.Queued, InFlight: s.InFlight, Syncs: s.Syncs,
			SlowSyncs: s.SlowSyncs, Link: s.Link, Outbox: s.Outbox, Oldest: s.Oldest, Reports: s.Reports,
			Reconnects: s.Reconnects, Differ: s.Differ}
		for _, m := range s.Members {
			if !m.Learner {
				one.Voters++
			}
		}
		if s.Leads {
			one.Well = 1
			for _, f := range s.Followers {
				if f.Active && !f.Learner {
					one.Well++
				}
			}
		}
		o.Shards = append(o.Shards, one)
	}
	return o
}

func (n *Node) acts() (v actsDocument) {
	if body := n.houseDocument(houseActs); len(body) > 0 {
		if err := json.Unmarshal(body, &v); err != nil {
			n.log.Error("the record of staff's acts cannot be read", "error", err)
		}
	}
	return v
}

// Act implements api.Ops.
func (p staff) Act(ctx context.Context, a api.OpsAct) (done api.OpsAct, err error) {
	said, err := p.n.atLeader(ctx, p.n.shards[0], &Operation{Do: "act", Act: &a})
	if err == nil {
		err = json.Unmarshal([]byte(said), &done)
	}
	return done, err
}

// carryOut does an act on the leader of shard 0: it is written down, done, and what came of it written down.
func (n *Node) carryOut(ctx context.Context, a *api.OpsAct) (string, error) {
	n.acting.Lock()
	defer n.acting.Unlock()
	id, err := n.openHouse(ctx)
	if err != nil {
		return "", err
	}
	record := n.acts()
	record.Last++
	a.Number, a.Outcome = record.Last, "asked"
	record.Acts = slices.Insert(record.Acts, 0, *a)
	record.Acts = record.Acts[:min(len(record.Acts), actsKept)]
	if err := n.keepHouse(ctx, id, houseActs, &record); err != nil {
		return "", err
	}
	said, err := n.doAct(ctx, id, a)
	a.Outcome, a.Said = "done", said
	if err != nil {
		a.Outcome, a.Said = "failed", err.Error()
	}
	if text := []rune(a.Said); len(text) > saidKept {
		a.Said = string(text[:saidKept])
	}
	record.Acts[0] = *a
	if err := n.keepHouse(context.WithoutCancel(ctx), id, houseActs, &record); err != nil {
		n.log.Error("what came of an act of staff was not recorded", "number", a.Number, "error", err)
	}
	n.lookAtHouse()
	answer, err := json.Marshal(a)
	return string(answer), err
}

func (n *Node) doAct(ctx context.Context, house trade.AccountID, a *api.OpsAct) (string, error) {
	switch a.Act {
	case api.ActHalt, api.ActResume:
		line, ok := n.listing().Symbol(a.Symbol)
		if !ok {
			return "", fmt.Errorf("no security %q", a.Symbol)
		}
		return "", n.shards[0].house(ctx, a.Act, &trade.Command{Kind: trade.HaltSecurityKind,
			HaltSecurity: trade.HaltSecurity{Security: line.ID, Halted: a.Act == api.ActHalt}})
	case api.ActReadOnly, api.ActReadWrite:
		since := a.Time
		return "", n.keepHouse(ctx, house, houseState, &api.OpsHouse{ReadOnly: a.Act == api.ActReadOnly, Reason: a.Reason,
			Who: a.Who, Since: &since})
	case api.ActTransfer:
		return n.operate(ctx, &Operation{Do: "transfer", Node: a.Node, Shard: *a.Shard})
	}
	return n.operate(ctx, &Operation{Do: a.Act, Node: a.Node})
}

// openHouse finds the house's account, or opens it: without a password or a permission, so that nobody comes in by it.
func (n *Node) openHouse(ctx context.Context) (trade.AccountID, error) {
	name := n.houseName()
	id, password, ok := n.directory.ByLogin(name)
	if ok {
		if known, _ := n.directory.Account(id); password != "" || known.Permissions != 0 {
			return 0, fmt.Errorf("the login %s, which the house needs for itself, is somebody's", name)
		}
		return id, nil
	}
	answer, err := n.shards[0].ask(ctx, "open the house's account", &trade.Command{Kind: trade.OpenAccountKind,
		OpenAccount: trade.OpenAccount{Login: []byte(name)}})
	return answer.Account, err
}

func (n *Node) keepHouse(ctx context.Context, id trade.AccountID, name string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return n.shards[0].house(ctx, "record an act of staff", &trade.Command{Kind: trade.PutDocumentKind,
		PutDocument: trade.PutDocument{Account: id, Name: []byte(name), Body: body}})
}

// followHalts halts in a shard what shard 0 has halted, and ends what ended there. Staff halt in shard 0.
func (s *shard) followHalts(ctx context.Context) error {
	if s.number == 0 {
		return nil
	}
	first := s.node.shards[0].views.listing
	var errs []error
	for _, one := range first.Securities() {
		halted := first.Halted(one.ID)
		if halted == s.views.listing.Halted(one.ID) {
			continue
		}
		errs = append(errs, s.house(ctx, "follow a halt", &trade.Command{Kind: trade.HaltSecurityKind,
			HaltSecurity: trade.HaltSecurity{Security: one.ID, Halted: halted}}))
	}
	return errors.Join(errs...)
}
