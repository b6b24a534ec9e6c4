package venue

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

var update = flag.Bool("update", false, "write what the scripts of testdata say now")

// TestScripts runs the scripts of testdata: a line is something that happens to a conversation, and what the
// conversation says to the exchange and to the log is indented below it. There is no connection and no clock.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newScript(t).run(string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(text) {
				t.Errorf("it says otherwise now (see with -update):\n%s", got)
			}
		})
	}
}

// script is a link without a connection: the test is the exchange, the log and the clock.
type script struct {
	t      *testing.T
	now    time.Time
	books  *books
	link   *Link
	talk   *Conversation
	given  []func() // commands that the log has and did not apply, which are applied by calling it
	lost   bool     // what the log applies next is of unknown outcome
	full   bool     // the log takes nothing
	deaf   bool
	told   bool // that the conversation is over
	unread []byte
	out    *strings.Builder
}

func newScript(t *testing.T) *script {
	s := &script{t: t, now: time.Unix(0, int64(testTime)), books: newBooks(t), out: &strings.Builder{}}
	s.link = s.books.link(t, "127.0.0.1:1", func(o *Options) {
		o.InFlight = 4
		o.LeastPause, o.MostPause = 0, 0
		o.Jitter = func(time.Duration) time.Duration { return 0 }
	})
	return s
}

func (s *script) run(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		words := strings.Fields(line)
		if strings.HasPrefix(line, " ") {
			continue // what was said before
		}
		fmt.Fprintln(s.out, line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		s.happen(words[0], words[1:])
		s.hear()
	}
	return s.out.String()
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(s.out, "    "+format+"\n", args...) }

// happen does what a line says.
func (s *script) happen(what string, with []string) {
	switch what {
	case "place", "cancel", "unlisted":
		s.place(what, with)
	case "begin":
		s.link.Begin()
	case "connect":
		s.talk, s.deaf, s.told, s.unread = s.link.Converse(s.now), false, false, nil
	case "wait":
		d, err := time.ParseDuration(with[0])
		s.must(err)
		s.pass(d)
	case "apply", "lose":
		s.lost = what == "lose"
		for n := s.number(with, 0, len(s.given)); n > 0 && len(s.given) > 0; n-- {
			apply := s.given[0]
			s.given = s.given[1:]
			apply()
		}
	case "log":
		s.full = with[0] == "full"
	case "leave":
		s.talk.Leave()
	case "connection":
		s.talk.End(errors.New("the connection was lost"))
	case "status":
		st := s.link.Status()
		s.say("outbox %d, in flight %d, sent %d, resent %d, spared %d, synchronised %d, duplicates %d, throttled %d,",
			st.Outbox, st.InFlight, st.Sent, st.Resent, st.Spared, st.Synchronised, st.Duplicates, st.Throttled)
		s.say("refused %d, impatient %d, replaced %d, waited %v", st.Refused, st.Impatient, st.Replaced, st.LastWait)
	default:
		s.unread = s.message(what, with).Append(s.unread)
	}
}

func (s *script) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err, s.out)
	}
}

func (s *script) number(words []string, i, otherwise int) int {
	if i >= len(words) {
		return otherwise
	}
	n, err := strconv.Atoi(words[i])
	s.must(err)
	return n
}

func (s *script) place(what string, with []string) {
	for i := range with {
		id := trade.OrderID(s.number(with, i, 0))
		o := trade.Outgoing{Request: id, Order: id, Account: 7, Security: 1, Side: trade.Buy, Type: trade.Limit,
			Price: 10 * money.Scale, Quantity: 100, Day: testDay, Time: testTime}
		switch what {
		case "cancel":
			o.Cancel, o.Order = true, id-1
		case "unlisted":
			o.Security = 99
		}
		s.books.outbox.Add(o)
	}
}

// pass lets time pass, and stops where the conversation asks for it.
func (s *script) pass(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		next := end
		if s.talk != nil && s.talk.Err() == nil {
			if timer := s.talk.NextTimer(s.now); timer.Before(end) {
				next = timer
			}
		}
		if !next.After(s.now) {
			s.t.Fatalf("the timer does not move: %v\n%s", next, s.out)
		}
		before := s.out.Len()
		d -= next.Sub(s.now)
		s.now = next
		s.hear()
		if said := s.out.String()[before:]; said != "" && d > 0 {
			s.say("(%v before the end of the wait)", d)
		}
	}
}

// hear lets the conversation go on until it has nothing to say.
func (s *script) hear() {
	if s.talk == nil {
		return
	}
	for busy := true; busy; {
		_ = s.talk.Tick(s.now)
		used, _ := s.talk.Receive(s.now, s.unread)
		s.unread = s.unread[used:]
		said := s.talk.Output(s.now, nil)
		s.print(said)
		busy = used > 0 || len(said) > 0 || s.submit()
	}
	if room := s.talk.Room(); room == s.deaf && s.talk.Err() == nil {
		s.deaf = !room
		s.say("%s", map[bool]string{true: "listens again", false: "does not listen"}[room])
	}
	if err := s.talk.Err(); err != nil && !s.told {
		s.told = true
		s.say("over: %v", err)
		pause := s.link.Ended(s.now, s.talk.Since(), err)
		s.say("next attempt in %v", pause)
	}
}

// submit gives the log what it takes.
func (s *script) submit() (any bool) {
	for {
		command := s.talk.Proposal()
		if command == nil {
			return any
		}
		if s.full {
			s.talk.Given(false)
			return any
		}
		any = true
		var c trade.Command
		s.must(trade.DecodeCommand(slices.Clone(command), &c))
		s.say("log: %s", commandWords(&c))
		talk := s.talk
		s.given = append(s.given, func() {
			if s.lost {
				talk.Answered(trade.Answer{}, errUnknown)
				return
			}
			talk.Answered(s.books.apply(&c), nil)
		})
		s.talk.Given(true)
	}
}

func commandWords(c *trade.Command) string {
	switch c.Kind {
	case trade.StartDayKind:
		return fmt.Sprintf("start day %d", c.StartDay.Day)
	case trade.EndDayKind:
		return fmt.Sprintf("end day %d", c.EndDay.Day)
	case trade.SetPhaseKind:
		return fmt.Sprintf("phase %d of venue %d, day %d", c.SetPhase.Phase, c.SetPhase.Venue, c.SetPhase.Day)
	}
	r := &c.Report
	what := map[trade.ReportType]string{trade.OrderAcceptedReport: "accepted", trade.TradeReport: "filled",
		trade.CancelRejectedReport: "cancel rejected", trade.RefusedReport: "refused"}[r.Type]
	if r.Type == trade.RefusedReport {
		return fmt.Sprintf("request %d %s", r.Request, what)
	}
	return fmt.Sprintf("report %d.%d: request %d %s", r.Partition, r.Index, r.Request, what)
}

// print says what was written.
func (s *script) print(b []byte) {
	for len(b) > 0 {
		frame, size, err := szse.ParseFrame(b)
		s.must(err)
		if size == 0 {
			s.t.Fatal("half a message was written")
		}
		b = b[size:]
		var d szse.Decoder
		m, err := d.Decode(frame)
		s.must(err)
		switch m := m.(type) {
		case *szse.Logon:
			s.say("exchange: Logon %s to %s, heartbeat %d s", szse.Text(m.SenderCompID[:]), szse.Text(m.TargetCompID[:]),
				m.HeartBtInt)
		case *szse.ReportSynchronization:
			s.say("exchange: ReportSynchronization %v", m.Points)
		case *szse.NewOrder:
			s.say("exchange: NewOrder %d", ours(m.ClOrdID))
		case *szse.OrderCancelRequest:
			s.say("exchange: OrderCancelRequest %d of %d", ours(m.ClOrdID), ours(m.OrigClOrdID))
		default:
			s.say("exchange: %s", m.Type())
		}
	}
}

var rejectWords = map[string]uint16{"duplicate": szse.RejectDuplicate, "unknown-security": szse.RejectUnknownSecurity,
	"throttled": szse.RejectThrottled, "not-open": szse.RejectNotOpen, "unreadable": szse.RejectUnreadable,
	"strange": 31999}

// message is what the exchange says in a line.
func (s *script) message(what string, with []string) szse.Message {
	switch what {
	case "logon":
		m := &szse.Logon{HeartBtInt: int32(s.number(with, 0, 0))}
		copy(m.SenderCompID[:], "SZSE")
		copy(m.TargetCompID[:], "BROKER")
		return m
	case "platform":
		state := map[string]uint16{"open": szse.PlatformOpen, "paused": szse.PlatformPaused}
		return &szse.PlatformStateInfo{PlatformID: 1, PlatformState: state[with[0]]}
	case "partitions":
		m := &szse.PlatformInfo{PlatformID: 1}
		for i := range with {
			m.Partitions = append(m.Partitions, int32(s.number(with, i, 0)))
		}
		return m
	case "accepted", "filled", "cancel-rejected":
		return s.report(what, with)
	case "phase":
		day := szse.Timestamp(s.number(with, 0, 0))
		var m szse.TradingSessionStatus
		phase := map[string]trade.Phase{"continuous": trade.Continuous, "closed": trade.Closed}[with[1]]
		s.must(m.SetPhase(trade.SSE, phase, day*1_000_000_000+93_000_000, 0))
		return &m
	case "finished":
		p, i := s.spot(with[0])
		return &szse.ReportFinished{PartitionNo: p, ReportIndex: i, PlatformID: 1}
	case "refuses":
		id, err := szse.ClOrdID(trade.OrderID(s.number(with, 0, 0)))
		s.must(err)
		return &szse.BusinessReject{BusinessRejectReason: rejectWords[with[1]], BusinessRejectRefID: id}
	case "logout":
		m := &szse.Logout{SessionStatus: int32(s.number(with, 0, 0))}
		szse.ClipText(m.Text[:], strings.Join(with[1:], " "))
		return m
	case "heartbeat":
		return &szse.Heartbeat{}
	}
	s.t.Fatalf("unknown line: %s %q", what, with)
	return nil
}

func (s *script) spot(word string) (partition int32, index int64) {
	before, after, _ := strings.Cut(word, ".")
	return int32(s.number([]string{before}, 0, 0)), int64(s.number([]string{after}, 0, 0))
}

// report is a report such as "accepted 1.2 4": the second one of partition 1, about request 4.
func (s *script) report(what string, with []string) szse.Message {
	p, i := s.spot(with[0])
	h := szse.ReportHead{PartitionNo: p, ReportIndex: i, TransactTime: 20260707_093000_000}
	id, err := szse.ClOrdID(trade.OrderID(s.number(with, 1, 0)))
	s.must(err)
	switch what {
	case "accepted":
		return &szse.ExecutionConfirm{ReportHead: h, ClOrdID: id, ExecType: szse.ExecNew, OrderQty: 100_00}
	case "filled":
		return &szse.ExecutionReport{ReportHead: h, ClOrdID: id, ExecType: szse.ExecTrade, LastPx: 1, LastQty: 100_00}
	}
	orig, err := szse.ClOrdID(trade.OrderID(s.number(with, 1, 0) - 1))
	s.must(err)
	return &szse.CancelReject{ReportHead: h, ClOrdID: id, OrigClOrdID: orig, CxlRejReason: uint16(trade.OrderAlreadyDone)}
}
