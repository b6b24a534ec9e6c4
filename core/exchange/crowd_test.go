package exchange

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zeebo/xxh3"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// crowd makes commands from a seed: mostly sensible orders near the last price, and with wild some of everything else.
type crowd struct {
	random   *rand.Rand
	m        *Machine
	day      trade.Day
	wild     bool
	listings []*ListSecurity
	numbers  int
	recent   []Cancel // what might be cancelled
}

func newCrowd(seed uint64, m *Machine, day trade.Day, wild bool) *crowd {
	return &crowd{random: rand.New(rand.NewPCG(seed, 1)), m: m, day: day, wild: wild, listings: boards()}
}

// boards are securities of all venues, boards and conditions.
func boards() (all []*ListSecurity) {
	add := func(s string, v trade.Venue, b trade.Board, c trade.Condition, close money.Price, listed int32) {
		all = append(all, &ListSecurity{
			Code: code(s), Venue: v, Board: b, Condition: c, PreviousClose: close, ListedDay: listed, Name: "样本" + s,
		})
	}
	add("600001", trade.SSE, trade.Main, trade.Normal, 10_0000, 1000)
	add("600002", trade.SSE, trade.Main, trade.SpecialTreatment, 2_3500, 1000)
	add("603001", trade.SSE, trade.Main, trade.NewListing, 18_0000, 1)
	add("688001", trade.SSE, trade.STAR, trade.Normal, 55_5500, 1000)
	add("688002", trade.SSE, trade.STAR, trade.NewListing, 31_0000, 2)
	add("510300", trade.SSE, trade.ETF, trade.Normal, 4_0120, 1000)
	add("000001", trade.SZSE, trade.Main, trade.Normal, 11_4000, 1000)
	add("000002", trade.SZSE, trade.Main, trade.DelistingRisk, 1_1200, 1000)
	add("300001", trade.SZSE, trade.ChiNext, trade.Normal, 20_0500, 1000)
	add("301001", trade.SZSE, trade.ChiNext, trade.NewListing, 40_0000, 1)
	add("159915", trade.SZSE, trade.ETF, trade.Normal, 2_1010, 1000)
	add("920001", trade.BSE, trade.BSEMain, trade.Normal, 1_8200, 1000)
	add("920002", trade.BSE, trade.BSEMain, trade.NewListing, 9_9900, 1)
	add("600009", trade.SSE, trade.Main, trade.Suspended, 7_0000, 1000)
	return all
}

func (c *crowd) order() Command {
	l := c.listings[c.random.IntN(len(c.listings))]
	n, _ := c.m.Find(l.Code)
	q := c.m.Quote(n)
	tick := max(q.Tick, 100)
	price := q.Listing.PreviousClose
	if q.Statistics.Last > 0 {
		price = q.Statistics.Last
	}
	if q.Close > 0 {
		price = q.Close
	}
	spread := 12
	if c.random.IntN(40) == 0 {
		spread = 4000 // reaches limits, cages and halts
	}
	price += tick * money.Price(c.random.IntN(2*spread+1)-spread)
	price = max(price-price%tick, tick)
	c.numbers++
	o := NewOrder{
		PBU: unit(fmt.Sprint("U", c.random.IntN(4))), ClOrdID: clOrd(fmt.Sprint("o", c.numbers)),
		Account: account(fmt.Sprint("A", c.random.IntN(100))), Security: l.Code,
		Side: trade.Side(1 + c.random.IntN(2)), Type: trade.Limit, Day: c.day, Price: price,
		Quantity: money.Quantity(100 * (1 + c.random.IntN(20))),
	}
	switch {
	case q.Close > 0 && c.random.IntN(10) > 0:
		o.Type = trade.FixedPrice
	case c.random.IntN(8) == 0:
		o.Type = trade.OrderType(1 + c.random.IntN(8))
		if c.random.IntN(4) > 0 && o.Type.Market() {
			o.Price = 0
		}
	}
	if c.wild && c.random.IntN(10) == 0 {
		c.spoil(&o)
	}
	c.recent = append(c.recent, Cancel{PBU: o.PBU, OrigClOrdID: o.ClOrdID, Security: o.Security, Day: c.day})
	return &o
}

// spoil breaks a random member.
func (c *crowd) spoil(o *NewOrder) {
	switch c.random.IntN(9) {
	case 0:
		o.Security = code("999999")
	case 1:
		o.Day--
	case 2:
		o.Side = trade.Side(c.random.IntN(5))
	case 3:
		o.Type = trade.OrderType(c.random.IntN(256))
	case 4:
		o.Price = money.Price(c.random.Int64() - c.random.Int64())
	case 5:
		o.Quantity = money.Quantity(c.random.Int64() - c.random.Int64())
	case 6:
		o.Quantity += money.Quantity(c.random.IntN(100))
	case 7:
		o.Price += money.Price(c.random.IntN(100))
	case 8:
		if c.numbers > 10 {
			o.ClOrdID = clOrd(fmt.Sprint("o", c.numbers-c.random.IntN(10)))
		}
	}
}

func (c *crowd) cancel() Command {
	if len(c.recent) == 0 {
		return &Tick{}
	}
	const living = 300 // who was sent long ago is likely done
	i := len(c.recent) - 1 - c.random.IntN(min(living, len(c.recent)))
	k := c.recent[i]
	if !c.wild || c.random.IntN(4) > 0 {
		c.recent[i] = c.recent[len(c.recent)-1]
		c.recent = c.recent[:len(c.recent)-1]
	}
	c.numbers++
	k.ClOrdID = clOrd(fmt.Sprint("c", c.numbers))
	return &k
}

// any is any command at all.
func (c *crowd) any() Command {
	l := *c.listings[c.random.IntN(len(c.listings))]
	switch n := c.random.IntN(1000); {
	case n < 600:
		return c.order()
	case n < 900:
		return c.cancel()
	case n < 930:
		venue := trade.Venue(c.random.IntN(5))
		if p := c.m.VenuePhase(venue); p != trade.Continuous && p != trade.OpeningCall && c.random.IntN(2) > 0 {
			return &SetPhase{venue, trade.Continuous}
		}
		return &SetPhase{venue, trade.Phase(c.random.IntN(12))}
	case n < 940:
		return &HaltSecurity{l.Code}
	case n < 970:
		return &ResumeSecurity{l.Code}
	case n < 985:
		return &Tick{}
	case n < 992:
		l.Condition = trade.Condition(c.random.IntN(6))
		l.PreviousClose += money.Price(c.random.IntN(300) - 100)
		return &l
	case n < 995:
		next := rules.AddDays(c.day, 1)
		if c.random.IntN(3) > 0 {
			c.day = next
			c.recent = c.recent[:0]
		} else {
			next = c.day
		}
		return &RollDay{next}
	case n < 997:
		return &AdoptRules{[]byte("table nonsense")}
	}
	return &AdoptRules{[]byte(rules.Embedded())}
}

// digest is a hash of everything that is said.
type digest struct {
	h    *xxh3.Hasher
	text []byte
}

func (d *digest) take(out *Output) {
	for i := range out.Reports {
		r := &out.Reports[i]
		order, execution := r.OrderID(), r.ExecID()
		d.text = fmt.Appendf(d.text[:0], "%d %d %d %d %d %s %s %s %d %d %d %v %d %d %d %v %d %d %v\n", r.Type, r.Status,
			r.Partition, r.Index, r.Time, r.PBU[:], r.ClOrdID[:], r.OrigClOrdID[:], r.Side, r.OrderType, r.Order, r.Price,
			r.Quantity, r.Leaves, r.Filled, r.LastPrice, r.LastQuantity, r.Reason, r.Numbers)
		d.text = append(append(d.text, order[:]...), execution[:]...)
		_, _ = d.h.Write(d.text)
	}
	_, _ = d.h.Write(fmt.Appendf(d.text[:0], "%+v %+v %v\n", out.Trades, out.Phases, out.Refusals))
}

// TestSyntheticDay plays a made-up day over all boards, and compares what was said with what was said when the day was
// last looked through. A new digest means that something changed for brokers: know what before you accept it.
func TestSyntheticDay(t *testing.T) {
	const golden = "fe34ad3d7fd4356c"
	const day = 20260708
	f := newFloor(t, 3, 0)
	c := newCrowd(1, f.m, day, false)
	f.setUp(day, c.listings...)
	d := digest{h: xxh3.New()}
	trades, kinds := 0, map[trade.ReportType]int{}
	do := func(at trade.Time, command Command) {
		f.apply(at, command)
		d.take(&f.out)
		trades += len(f.out.Trades)
		for i := range f.out.Reports {
			kinds[f.out.Reports[i].Type]++
		}
	}
	for _, p := range []struct {
		clock  string
		phase  trade.Phase
		orders int
	}{
		{"09:15:00", trade.OpeningCall, 1500}, {"09:20:00", trade.OpeningCallLocked, 500},
		{"09:25:00", trade.OpeningGap, 20},
		{"09:30:00", trade.Continuous, 9000}, {"11:30:00", trade.Lunch, 20}, {"13:00:00", trade.Continuous, 9000},
		{"14:57:00", trade.ClosingCall, 1000}, {"15:00:00", trade.FixedPriceEntry, 300},
		{"15:05:00", trade.FixedPriceTrading, 1000}, {"15:30:00", trade.Closed, 20},
	} {
		var hour, minute, second int
		if _, err := fmt.Sscanf(p.clock, "%d:%d:%d", &hour, &minute, &second); err != nil {
			t.Fatal(err)
		}
		at := rules.Join(day, rules.TimeOfDay(hour*3600+minute*60+second)*rules.Second)
		for v := trade.SSE; v <= trade.BSE; v++ {
			do(at, &SetPhase{v, p.phase})
		}
		for range p.orders {
			at += trade.Time(c.random.IntN(1_000_000_000))
			if c.random.IntN(100) < 60 {
				do(at, c.order())
			} else {
				do(at, c.cancel())
			}
		}
		f.checkBooks()
		f.restore()
	}
	t.Log(f.commands, "commands,", trades, "trades, reports by type", kinds)
	if got := fmt.Sprintf("%016x", d.h.Sum64()); got != golden {
		t.Errorf("digest %s, it was %s", got, golden)
	}
}

// TestRandomCommands throws everything at the machine and checks everything after each command.
func TestRandomCommands(t *testing.T) {
	seeds, commands := uint64(8), 1500
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		playRandom(t, seed, commands)
	}
}

func playRandom(t testing.TB, seed uint64, commands int) {
	t.Helper()
	f := newFloor(t, 1+uint32(seed%3), 50)
	c := newCrowd(seed, f.m, 20260708, true)
	f.setUp(c.day, c.listings...)
	at := rules.Join(c.day, 0)
	for v := trade.SSE; v <= trade.BSE; v++ {
		f.apply(at, &SetPhase{v, trade.Continuous})
	}
	kinds, reasons := map[trade.ReportType]int{}, map[trade.Reason]int{}
	for range commands {
		at += trade.Time(c.random.IntN(20_000_000_000)) - 1_000_000_000
		a := f.apply(at, c.any())
		reasons[a.Reason]++
		for i := range f.out.Reports {
			kinds[f.out.Reports[i].Type]++
		}
	}
	f.restore()
	if commands > 1000 {
		t.Log("seed", seed, "reports by type", kinds, "answers by reason", reasons)
	}
}

var seeds = flag.Uint64("seeds", 6, "days of 5,000 random commands that TestRandomDays plays")

// TestRandomDays plays longer, with the books compared less often; -seeds 200 is a million commands.
func TestRandomDays(t *testing.T) {
	for seed := range *seeds {
		f := newFloor(t, 1+uint32(seed%3), 0)
		c := newCrowd(5000+seed, f.m, 20260708, true)
		f.setUp(c.day, c.listings...)
		at := rules.Join(c.day, 0)
		for v := trade.SSE; v <= trade.BSE; v++ {
			f.apply(at, &SetPhase{v, trade.Continuous})
		}
		for i := range 5000 {
			at += trade.Time(c.random.IntN(2_000_000_000))
			f.apply(at, c.any())
			if i%500 == 0 {
				f.checkBooks()
				f.restore()
			}
		}
	}
}

func FuzzCommands(f *testing.F) {
	f.Add(uint64(100), uint16(300))
	f.Fuzz(func(t *testing.T, seed uint64, commands uint16) { playRandom(t, seed, int(commands%1000)) })
}
