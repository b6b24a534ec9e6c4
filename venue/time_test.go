package venue

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// What takes time is tested in a bubble whose clock runs when everybody waits; there connections are pipes.

// pipes connects a link to whatever serve does with the other end. Each dial is told its number, from 1.
func pipes(t *testing.T, serve func(number int, c net.Conn) error) func(*Options) {
	number := 0
	return func(o *Options) {
		o.LeastPause, o.MostPause = 0, 0
		o.Dial = func(context.Context, string) (net.Conn, error) {
			number++
			near, far := net.Pipe()
			if err := serve(number, far); err != nil {
				return nil, err
			}
			t.Cleanup(func() { _ = far.Close() })
			return near, nil
		}
	}
}

// greet answers a logon and opens the platform, on a pipe.
func greet(t *testing.T, c net.Conn, heartbeat int32) (*szse.Reader, *szse.Decoder) {
	r, d := szse.NewReader(c), &szse.Decoder{}
	if m, err := readMessage(r, d); err != nil || m.Type() != szse.TypeLogon {
		t.Errorf("logon: %v, %v", m, err)
		return r, d
	}
	answer := szse.Logon{HeartBtInt: heartbeat}
	copy(answer.SenderCompID[:], "SZSE")
	copy(answer.TargetCompID[:], "BROKER")
	frames := answer.Append(nil)
	frames = (&szse.PlatformStateInfo{PlatformID: 1, PlatformState: szse.PlatformOpen}).Append(frames)
	frames = (&szse.PlatformInfo{PlatformID: 1, Partitions: []int32{1}}).Append(frames)
	if _, err := c.Write(frames); err != nil {
		t.Error(err)
	}
	return r, d
}

// TestHeartbeats: the link speaks once an interval when it has nothing to say, and gives up an exchange that has been
// silent for two.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(t)
		var beats []time.Duration
		began := time.Now()
		l := b.link(t, "127.0.0.1:1", pipes(t, func(number int, c net.Conn) error {
			if number > 1 {
				return errors.New("no more")
			}
			go func() {
				r, d := greet(t, c, 7)
				for {
					m, err := readMessage(r, d)
					if err != nil {
						return
					}
					if m.Type() == szse.TypeHeartbeat {
						beats = append(beats, time.Since(began))
					}
				}
			}()
			return nil
		}))
		l.Start()
		time.Sleep(13 * time.Second)
		synctest.Wait()
		if s := l.Status(); !s.Connected || len(beats) != 2 || beats[0] != 5*time.Second || beats[1] != 10*time.Second {
			t.Errorf("after 13s: beats at %v, status %+v", beats, s)
		}
		time.Sleep(1100 * time.Millisecond) // 14 s is two intervals of the gateway's
		synctest.Wait()
		if s := l.Status(); s.Connected || s.Sessions != 1 {
			t.Errorf("after 14s: status %+v", s)
		}
		if err := l.Status().LastError; err == nil {
			t.Error("no reason is told")
		}
		l.Stop()
	})
}

// TestSilence checks the reason that a silent exchange gives.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(t)
		l := b.link(t, "127.0.0.1:1", pipes(t, func(number int, c net.Conn) error {
			go func() {
				if number == 1 {
					greet(t, c, 3)
				}
				var buffer [512]byte
				for { // hears everything, says nothing
					if _, err := c.Read(buffer[:]); err != nil {
						return
					}
				}
			}()
			return nil
		}))
		l.Start()
		time.Sleep(6*time.Second + time.Millisecond)
		synctest.Wait()
		if s := l.Status(); !errors.Is(s.LastError, ErrSilence) || s.Sessions != 1 {
			t.Errorf("status %+v", s)
		}
		time.Sleep(LogonTimeout - 10*time.Millisecond) // the second one does not even answer the logon
		synctest.Wait()
		if s := l.Status(); s.Reconnects != 1 {
			t.Errorf("status %+v", s)
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if s := l.Status(); s.Reconnects != 2 || !errors.Is(s.LastError, ErrSilence) {
			t.Errorf("status %+v", s)
		}
		l.Stop()
	})
}

// TestReconnectPauses: the first attempt after a failure is made at once, then the pauses double, short ones at first
// and never more than a tenth of the trouble so far, and begin anew after a session that lasted.
func TestReconnectPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(t)
		var at []time.Time
		good := 0
		l := b.link(t, "127.0.0.1:1", pipes(t, func(number int, c net.Conn) error {
			at = append(at, time.Now())
			if good > 0 || time.Since(at[0]) < 10*time.Second {
				return errors.New("refused")
			}
			good = number
			go func() {
				greet(t, c, 60)
				time.Sleep(StableAfter)
				_ = c.Close()
			}()
			return nil
		}))
		l.Start()
		time.Sleep(5 * time.Minute)
		l.Stop()
		trouble, longest := at[0], time.Duration(0)
		for i := 1; i < len(at); i++ {
			pause := at[i].Sub(at[i-1])
			longest = max(longest, pause)
			n := i
			if good > 0 && i >= good {
				n, trouble = i-good+1, at[good] // attempt numbers count from 1; the first pause was at its end
			}
			want := min(DefaultLeastPause<<min(max(n-2, 0), 20), max(QuickPause, at[i-1].Sub(trouble)/10), DefaultMostPause)
			switch {
			case i == good: // it was logged on all this time
				if pause != StableAfter {
					t.Errorf("the session lasted %v", pause)
				}
			case n == 1 && pause != 0:
				t.Errorf("attempt %d came after %v, want at once", i, pause)
			case n > 1 && (pause < want/2 || pause > want):
				t.Errorf("pause %d is %v, want %v to %v", i, pause, want/2, want)
			}
		}
		if good < 20 || good > 120 || longest < DefaultMostPause/2 {
			t.Errorf("%d attempts in ten seconds, the longest pause %v", good, longest)
		}
	})
}

// TestRefusedLogonPauses: an exchange that refuses us is left alone for longer and longer from the beginning.
func TestRefusedLogonPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(t)
		var at []time.Time
		l := b.link(t, "127.0.0.1:1", pipes(t, func(_ int, c net.Conn) error {
			at = append(at, time.Now())
			go func() {
				if m, err := readMessage(szse.NewReader(c), &szse.Decoder{}); err != nil || m.Type() != szse.TypeLogon {
					t.Errorf("logon: %v, %v", m, err)
				}
				no := szse.Logout{SessionStatus: szse.LogoutWrongPassword}
				_, _ = c.Write(no.Append(nil))
			}()
			return nil
		}))
		l.Start()
		time.Sleep(time.Minute)
		l.Stop()
		if len(at) < 15 || len(at) > 30 {
			t.Errorf("%d attempts in a minute", len(at))
		}
		for i := 2; i < len(at); i++ {
			want := min(DefaultLeastPause<<(i-2), DefaultMostPause)
			if pause := at[i].Sub(at[i-1]); pause < want/2 || pause > want {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, want/2, want)
			}
		}
	})
}

// TestThrottlePauses: nothing is sent for a pause that doubles while the exchange throttles.
func TestThrottlePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(t)
		var at []time.Time
		l := b.link(t, "127.0.0.1:1", pipes(t, func(_ int, c net.Conn) error {
			go func() {
				r, d := greet(t, c, 60)
				for {
					m, err := readMessage(r, d)
					if err != nil {
						return
					}
					if order, is := m.(*szse.NewOrder); is {
						at = append(at, time.Now())
						no := szse.BusinessReject{BusinessRejectReason: szse.RejectThrottled, BusinessRejectRefID: order.ClOrdID}
						if _, err := c.Write(no.Append(nil)); err != nil {
							return
						}
					}
				}
			}()
			return nil
		}))
		b.place(1, 1)
		l.Start()
		time.Sleep(5 * time.Second)
		l.Stop()
		synctest.Wait()
		want := LeastThrottle
		for i := 1; i < len(at); i++ {
			if got := at[i].Sub(at[i-1]); got != want {
				t.Errorf("pause %d is %v, want %v", i, got, want)
			}
			want = min(2*want, MostThrottle)
		}
		if len(at) < 8 {
			t.Errorf("sent %d times in 5s", len(at))
		}
	})
}

// TestClosedPlatform: nothing is sent while the platform takes nothing.
func TestClosedPlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(t)
		var orders []time.Duration
		began := time.Now()
		l := b.link(t, "127.0.0.1:1", pipes(t, func(_ int, c net.Conn) error {
			go func() {
				r, d := greet(t, c, 60)
				go func() {
					time.Sleep(time.Second)
					state := szse.PlatformStateInfo{PlatformID: 1, PlatformState: szse.PlatformPaused}
					_, _ = c.Write(state.Append(nil))
					time.Sleep(3 * time.Second)
					state.PlatformState = szse.PlatformOpen
					_, _ = c.Write(state.Append(nil))
				}()
				for {
					m, err := readMessage(r, d)
					if err != nil {
						return
					}
					if m.Type() == szse.TypeNewOrder {
						orders = append(orders, time.Since(began))
					}
				}
			}()
			return nil
		}))
		l.Start()
		time.Sleep(2 * time.Second)
		b.place(1, 1)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(orders) != 1 || orders[0] != 4*time.Second {
			t.Errorf("orders were sent at %v, want 4s", orders)
		}
		l.Stop()
	})
}

// TestCloseIsPolite: Close says goodbye, and does not wait for ever for the answer.
func TestCloseIsPolite(t *testing.T) {
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBooks(t)
			var last szse.MsgType
			l := b.link(t, "127.0.0.1:1", pipes(t, func(_ int, c net.Conn) error {
				go func() {
					r, d := greet(t, c, 60)
					for {
						m, err := readMessage(r, d)
						if err != nil {
							return
						}
						last = m.Type()
						if last == szse.TypeLogout && answers {
							_, _ = c.Write(m.Append(nil))
						}
					}
				}()
				return nil
			}))
			l.Start()
			time.Sleep(time.Second)
			began := time.Now()
			l.Close()
			want := time.Duration(0)
			if !answers {
				want = LogoutTimeout
			}
			synctest.Wait()
			if got := time.Since(began); got != want || last != szse.TypeLogout {
				t.Errorf("closed after %v, want %v; the last message was %s", got, want, last)
			}
			l.Close()
			l.Start()
			if s := l.Status(); s.Started || s.Reconnects != 0 {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// TestStuckExchange: an exchange that reads nothing cannot hold Stop up, and a log that never answers cannot either.
func TestStuckExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(t)
		b.held = true
		l := b.link(t, "127.0.0.1:1", func(o *Options) {
			o.InFlight = 1
			pipes(t, func(_ int, c net.Conn) error {
				go func() {
					greet(t, c, 60)
					var frames []byte
					for i := range 3 {
						m := szse.CancelReject{ReportHead: szse.ReportHead{PartitionNo: 1, ReportIndex: int64(i + 1),
							TransactTime: 20260707_093000_000}}
						frames = m.Append(frames)
					}
					_, _ = c.Write(frames) // and never reads again
				}()
				return nil
			})(o)
		})
		b.place(1, 3)
		l.Start()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := l.Status(); s.InFlight != 1 || !s.Connected {
			t.Errorf("status %+v", s)
		}
		began := time.Now()
		l.Stop()
		if got := time.Since(began); got != 0 {
			t.Errorf("stopped after %v", got)
		}
		if s := l.Status(); s.InFlight != 1 || s.Applied != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// TestUnknownRequest: a report about a ClOrdID that the broker did not make takes its place as request 0.
func TestUnknownRequest(t *testing.T) {
	m := szse.CancelReject{ReportHead: szse.ReportHead{PartitionNo: 1, ReportIndex: 1, TransactTime: 20260707_093000_000}}
	copy(m.ClOrdID[:], "not-ours!!")
	r, err := report(&m)
	if err != nil || r.Request != 0 || r.Type != trade.CancelRejectedReport || r.Index != 1 || r.Partition != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
