package contest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/peer"
	"evenkeel/relay"
	"evenkeel/replica"
)

// What orders are made of.
const (
	accountsOfShard = 2000
	accountCash     = money.Cash(1_000_000_000 * money.Scale)
	contestDay      = trade.Day(20261123)
	orderPrice      = money.Price(10 * money.Scale)
	lot             = 100
	mostOrders      = 1000 * accountsOfShard // open orders that the accounts of a shard may have
)

// driver is the client: it is known to the members as a node, and is none of their groups'.
type driver struct {
	peers  *peer.Peers
	relay  *relay.Relay
	shards []*relay.Shard
	placed []int // orders of each shard
	serial int
}

// elsewhere is the end of a log that is not here.
type elsewhere struct{}

func (elsewhere) Submit([]byte, func(trade.Answer, error)) error { return replica.ErrNotLeader }

func openDriver(ctx context.Context, identity string, self replica.Member, members []replica.Member,
	shards int) (*driver, error) {
	own, err := peer.LoadIdentity(identity)
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", self.Address)
	if err != nil {
		return nil, err
	}
	d := &driver{placed: make([]int, shards)}
	if d.peers, err = peer.New(peer.Config{Identity: own, Listener: listener}); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	for _, m := range members {
		d.peers.SetPeer(m.ID, m.Address)
	}
	d.relay = relay.New(d.peers, relay.Limits{})
	for shard := range shards {
		d.shards = append(d.shards, d.relay.Shard(relay.Parts{Group: uint64(shard) + 1, Log: elsewhere{}})) //nolint:gosec
	}
	return d, d.follow(ctx, members)
}

func (d *driver) close() error {
	err := d.peers.Close()
	d.relay.Close()
	return err
}

// electionPatience is how long a new cluster may take to have leaders.
const electionPatience = 20 * time.Second

// follow finds who leads each shard, and waits until everybody does.
func (d *driver) follow(ctx context.Context, members []replica.Member) error {
	ctx, cancel := context.WithTimeout(ctx, electionPatience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		known := 0
		for _, m := range members {
			text, err := d.peers.Call(ctx, m.ID, callLeaders, nil)
			var leaders []leader
			if err != nil || json.Unmarshal(text, &leaders) != nil {
				continue
			}
			for shard, l := range leaders {
				if l.Ready {
					d.shards[shard].Follow(m.ID, false, l.Term)
					known++
				}
			}
		}
		if known == len(d.shards) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for a leader of each shard: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// found makes the books such that orders can be placed.
func (d *driver) found() error {
	for shard := range d.shards {
		window := make(chan struct{}, 512)
		wrong := make(chan error, 1)
		submit := func(c *trade.Command) error {
			encoded, err := trade.AppendCommand(nil, c)
			if err != nil {
				return err
			}
			window <- struct{}{}
			return d.shards[shard].Submit(encoded, func(a trade.Answer, err error) {
				if err == nil && a.Reason != trade.Accepted {
					err = fmt.Errorf("command of kind %d: refused for reason %d", c.Kind, a.Reason)
				}
				if err != nil {
					select {
					case wrong <- err:
					default:
					}
				}
				<-window
			})
		}
		for _, c := range founding(shard) {
			if err := submit(c); err != nil {
				return err
			}
		}
		for range cap(window) {
			window <- struct{}{}
		}
		select {
		case err := <-wrong:
			return fmt.Errorf("founding the books: %w", err)
		default:
		}
	}
	return nil
}

// founding are the commands that make a day, a security and accounts with money.
func founding(shard int) []*trade.Command {
	all := []*trade.Command{
		{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: []byte(rules.Embedded())}},
		{Kind: trade.ListSecurityKind, ListSecurity: trade.ListSecurity{Security: trade.Security{
			Symbol: []byte("600000.SH"), Name: []byte("浦发银行"), Pinyin: []byte("pfyh"), Venue: trade.SSE,
			Board: trade.Main, Condition: trade.Normal, PreviousClose: orderPrice, Day: contestDay}}},
		{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: contestDay}},
		{Kind: trade.SetPhaseKind, SetPhase: trade.SetPhase{Venue: trade.SSE, Phase: trade.Continuous, Day: contestDay}},
	}
	hash := []byte("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g")
	for i := range accountsOfShard {
		all = append(all, &trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{
			Login: fmt.Appendf(nil, "investor%d.%d", shard, i), PasswordHash: hash, Permissions: trade.MayEverything,
			Commission: 25_000}}, &trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{
			Account: accountOf(shard, i), Amount: accountCash, Reference: []byte("first")}})
	}
	return all
}

func accountOf(shard, i int) trade.AccountID {
	return trade.AccountID(uint64(shard)<<trade.ShardShift | uint64(i+1)) //nolint:gosec // both are small
}

// order is the next order of a shard, as its command.
func (d *driver) order(buffer []byte, shard int) ([]byte, error) {
	i := d.placed[shard]
	d.placed[shard]++
	d.serial++
	c := trade.Command{Kind: trade.PlaceOrderKind, PlaceOrder: trade.PlaceOrder{Account: accountOf(shard,
		i%accountsOfShard), Security: 1, Side: trade.Buy, Type: trade.Limit, Channel: trade.REST,
		Price: orderPrice - money.Price(i%50*100), Quantity: lot, ClientID: fmt.Appendf(nil, "c%07d-%08d", i, d.serial)}}
	return trade.AppendCommand(buffer[:0], &c)
}

// answered is one answer.
type answered struct {
	at    time.Time
	asked time.Time
	err   error
}

// measure keeps so many orders in flight, spread over the shards, and counts those that were asked and answered within
// the time that follows the warm-up.
func (d *driver) measure(flight int, warm, lasts time.Duration) (requests int64, took *hdrhistogram.Histogram,
	err error) {
	answers := make(chan answered, flight)
	took = hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
	began := time.Now()
	from, until := began.Add(warm), began.Add(warm+lasts)
	var buffer []byte
	send := func(n int) error {
		shard := n % len(d.shards)
		if d.placed[shard] >= mostOrders {
			return fmt.Errorf("the accounts of shard %d have all the open orders that they may have", shard)
		}
		if buffer, err = d.order(buffer, shard); err != nil {
			return err
		}
		asked := time.Now()
		return d.shards[shard].Submit(buffer, func(a trade.Answer, err error) {
			if err == nil && a.Reason != trade.Accepted {
				err = fmt.Errorf("an order was refused for reason %d", a.Reason)
			}
			answers <- answered{time.Now(), asked, err}
		})
	}
	under := 0
	for n := range flight {
		if err := send(n); err != nil {
			return 0, nil, err
		}
		under++
	}
	for n := flight; under > 0; n++ {
		a := <-answers
		under--
		if a.err != nil {
			return 0, nil, a.err
		}
		if a.asked.After(from) && a.at.Before(until) {
			requests++
			_ = took.RecordValue(a.at.Sub(a.asked).Microseconds())
		}
		if a.at.Before(until) {
			if err := send(n); err != nil {
				return 0, nil, err
			}
			under++
		}
	}
	return requests, took, nil
}

// commandSize is how many bytes an order's command has.
func commandSize() int {
	d := &driver{placed: make([]int, 1)}
	c, err := d.order(nil, 0)
	if err != nil {
		panic(err)
	}
	return len(c)
}
