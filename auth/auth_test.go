package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"evenkeel/core/trade"
)

var cheap = Parameters{Memory: 64, Passes: 1, Threads: 1}

func opened(id trade.AccountID, login, hash string) trade.Event {
	return trade.Event{Kind: trade.AccountOpened, Account: id, Time: 5, Credential: trade.Credential{Login: []byte(login),
		PasswordHash: []byte(hash), Permissions: trade.MayTrade | trade.MayRead, Commission: 25_000}}
}

func TestKeys(t *testing.T) {
	d := NewDirectory()
	id, secret, hash := NewKey()
	d.Fold([]trade.Event{opened(1, "ann", ""), {Kind: trade.KeyAdded, Account: 1, Time: 6, Credential: trade.Credential{
		KeyID: []byte(id), Hash: hash, Permissions: trade.MayTrade | trade.MayMoveCash, Label: []byte("bot")}}})
	who, err := d.ByKey(id, secret)
	if err != nil || who.Account != 1 || who.Permissions != trade.MayTrade || who.Via != ByKey || who.Key != id {
		t.Errorf("%+v %v: a key may do at most what its account may", who, err)
	}
	for _, c := range [][2]string{{id, secret + "x"}, {id, ""}, {"EKNOBODY", secret}, {"", ""}} {
		if who, err := d.ByKey(c[0], c[1]); !errors.Is(err, ErrNobody) || who != (Principal{}) {
			t.Errorf("%v: %+v %v", c, who, err)
		}
	}
	if keys := d.Keys(1); len(keys) != 1 || keys[0].ID != id || keys[0].Label != "bot" || keys[0].Added != 6 {
		t.Errorf("%+v", keys)
	}
	for _, other := range []string{"EK2", "EK3"} {
		d.Fold([]trade.Event{{Kind: trade.KeyAdded, Account: 1, Credential: trade.Credential{KeyID: []byte(other)}}})
	}
	d.Fold([]trade.Event{{Kind: trade.KeyRevoked, Account: 1, Credential: trade.Credential{KeyID: []byte("EK2")}},
		{Kind: trade.KeyRevoked, Account: 1, Credential: trade.Credential{KeyID: []byte("EK2")}}})
	if keys := d.Keys(1); len(keys) != 2 || keys[0].ID != id || keys[1].ID != "EK3" {
		t.Errorf("%+v", keys)
	}
	d.Fold([]trade.Event{{Kind: trade.KeyRevoked, Account: 1, Credential: trade.Credential{KeyID: []byte("EK3")}}})
	d.Fold([]trade.Event{{Kind: trade.KeyRevoked, Account: 1, Credential: trade.Credential{KeyID: []byte(id)}}})
	if _, err := d.ByKey(id, secret); !errors.Is(err, ErrNobody) || len(d.Keys(1)) != 0 {
		t.Errorf("a revoked key opens: %v", err)
	}
}

func TestSessions(t *testing.T) {
	d := NewDirectory()
	token, hash := NewToken()
	open := trade.Event{Kind: trade.SessionOpened, Account: 1, Time: 10, Credential: trade.Credential{Hash: hash,
		Expires: 100,
		Label:   []byte("phone")}}
	d.Fold([]trade.Event{opened(1, "ann", ""), open, open}) // described and folded again: still one
	if who, err := d.ByToken(token, 99); err != nil || who.Account != 1 || who.Session != hash ||
		!who.May(trade.MayRead) {
		t.Errorf("%+v %v", who, err)
	}
	if _, err := d.ByToken(token, 100); !errors.Is(err, ErrNobody) {
		t.Errorf("an expired session opens: %v", err)
	}
	if list := d.Sessions(1, 50); len(list) != 1 || list[0].Label != "phone" || len(d.Sessions(1, 100)) != 0 {
		t.Errorf("%+v", list)
	}
	d.Fold([]trade.Event{{Kind: trade.SessionClosed, Account: 1, Credential: trade.Credential{Hash: hash}}})
	if _, err := d.ByToken(token, 50); !errors.Is(err, ErrNobody) {
		t.Errorf("a closed session opens: %v", err)
	}
}

func TestAccounts(t *testing.T) {
	d := NewDirectory()
	far := trade.AccountID(3<<trade.ShardShift | 2)
	d.Fold([]trade.Event{opened(2, "bob", "odd hash"), opened(far, "eve", ""),
		{Kind: trade.SettingsChanged, Account: 2, Settings: trade.Settings{SuspendTrading: true}},
		{Kind: trade.OrderPlaced, Account: 9}})
	if a, ok := d.Account(2); !ok || a.Login != "bob" || !a.Settings.SuspendTrading || a.Commission != 25_000 ||
		a.Opened != 5 {
		t.Errorf("%+v %v", a, ok)
	}
	if _, hash, ok := d.ByLogin("bob"); !ok || hash != "odd hash" {
		t.Errorf("%q %v", hash, ok)
	}
	if id, _, ok := d.ByLogin("eve"); !ok || id != far || d.Accounts() != 2 {
		t.Errorf("%d %v", id, ok)
	}
	for _, id := range []trade.AccountID{0, 1, 3, 9, 1 << trade.ShardShift, far + 1} {
		if a, ok := d.Account(id); ok {
			t.Errorf("account %d: %+v", id, a)
		}
	}
	var seen []string
	d.Visit(func(a Account) bool { seen = append(seen, a.Login); return true })
	if !slices.Equal(seen, []string{"bob", "eve"}) {
		t.Errorf("visited %v", seen)
	}
	d.Replace(0, func(take func(*trade.Event)) {
		if _, ok := d.Account(2); !ok {
			t.Error("while a shard is told anew, what was known is gone")
		}
		e := opened(1, "ann", "")
		take(&e)
	})
	if _, ok := d.Account(2); ok || d.Accounts() != 2 {
		t.Error("a shard that was told anew has what it had before")
	}
	if _, _, ok := d.ByLogin("eve"); !ok {
		t.Error("another shard was forgotten with it")
	}
}

// TestShardOf holds the rule by which a login finds its shard to what it was when it was written down: accounts that
// exist hang on it.
func TestShardOf(t *testing.T) {
	for _, c := range []struct {
		login           string
		two, three, of7 uint16
	}{{"demo1", 1, 1, 3}, {"demo2", 1, 1, 0}, {"alice", 0, 0, 5}, {"张三", 0, 0, 2}, {"", 0, 1, 4}} {
		got := [...]uint16{ShardOf(c.login, 1), ShardOf(c.login, 2), ShardOf(c.login, 3), ShardOf(c.login, 7)}
		if got != [...]uint16{0, c.two, c.three, c.of7} {
			t.Errorf("%q: %v", c.login, got)
		}
	}
}

func TestLogin(t *testing.T) {
	now := time.Unix(1000, 0)
	p := NewPasswords(Limits{Free: 3, Pause: 10 * time.Second}, cheap, func() time.Time { return now })
	hash, err := p.Encode(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDirectory()
	d.Fold([]trade.Event{opened(1, "ann", hash), opened(2, "none", "")})
	if id, err := p.Login(t.Context(), d, "ann", "correct horse"); err != nil || id != 1 {
		t.Errorf("%d %v", id, err)
	}
	for _, c := range [][2]string{{"ann", "wrong"}, {"bob", "correct horse"}, {"none", ""}, {"ann", strings.Repeat("x",
		5000)}} {
		if id, err := p.Login(t.Context(), d, c[0], c[1]); !errors.Is(err, ErrNobody) || id != 0 {
			t.Errorf("%v: %d %v", c, id, err)
		}
	}
	// Failures in a row make a pause, for names that exist and for those that do not, and it grows.
	for _, name := range []string{"ann", "nobody"} {
		var later *LaterError
		for range 5 {
			_, err = p.Login(t.Context(), d, name, "wrong")
		}
		if !errors.As(err, &later) || !errors.Is(err, ErrTooManyFailures) || later.After != 10*time.Second {
			t.Fatalf("%s: %v", name, err)
		}
		now = now.Add(11 * time.Second)
		if _, err := p.Login(t.Context(), d, name, "wrong"); !errors.Is(err, ErrNobody) {
			t.Errorf("%s after the pause: %v", name, err)
		}
		if _, err := p.Login(t.Context(), d, name, "correct horse"); !errors.As(err, &later) ||
			later.After != 20*time.Second {
			t.Errorf("%s: the pause did not grow: %v", name, err)
		}
	}
	now = now.Add(time.Hour)
	if _, err := p.Login(t.Context(), d, "ann", "correct horse"); err != nil {
		t.Errorf("after an hour: %v", err)
	}
	longest := strings.Repeat("x", MaxPassword)
	if hash, err = p.Encode(t.Context(), longest); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]bool{longest: true, longest + "x": false, longest[1:]: false} {
		if same, err := p.Check(t.Context(), hash, given); same != want || err != nil {
			t.Errorf("a password of %d bytes: %v %v", len(given), same, err)
		}
	}
	for _, bad := range []string{"", "short", strings.Repeat("x", 257)} {
		if _, err := p.Encode(t.Context(), bad); !errors.Is(err, ErrPasswordLength) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A storm takes no more than its share of the processors, and what does not fit is refused at once.
func TestStorm(t *testing.T) {
	p := NewPasswords(Limits{AtOnce: 1, Waiting: 2}, cheap, nil)
	release, err := p.turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() {
			if _, err := p.Check(ctx, "", "password"); !errors.Is(err, context.Canceled) {
				t.Errorf("waiting ended with %v", err)
			}
		})
	}
	for p.Waiting() < 3 {
		runtime.Gosched()
	}
	var later *LaterError
	if _, err := p.Check(t.Context(), "", "password"); !errors.As(err, &later) || !errors.Is(err, ErrTooManyLogins) ||
		later.After < time.Second {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	waiting.Wait()
	release()
	if p.Waiting() != 0 {
		t.Errorf("%d are still waiting", p.Waiting())
	}
	if _, err := p.Check(t.Context(), "", "password"); err != nil {
		t.Errorf("after the storm: %v", err)
	}
}

// A login that would wait too long is told so at once, and one that did wait too long then.
func TestStormIsBoundedByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords(Limits{AtOnce: 1}, cheap, nil)
		release, err := p.turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		waited := map[time.Duration]int{}
		for range 256 {
			all.Go(func() {
				began := time.Now()
				_, err := p.turn(t.Context())
				var later *LaterError
				if !errors.As(err, &later) || later.After < time.Second {
					t.Errorf("%v", err)
				}
				mu.Lock()
				waited[time.Since(began)]++
				mu.Unlock()
			})
		}
		all.Wait() // the one who has the place never gives it back
		if n := waited[p.limits.Longest]; n != 37 || waited[0] != 256-n {
			t.Errorf("%v", waited)
		}
		release()
		if p.Waiting() != 0 {
			t.Errorf("%d are still waiting", p.Waiting())
		}
	})
}

// The table of failures is bounded.
func TestFailuresAreForgotten(t *testing.T) {
	p := NewPasswords(Limits{Logins: 10}, cheap, nil)
	for i := range 1000 {
		p.fail(uint64(i))
	}
	if len(p.failed) > 10 {
		t.Errorf("%d names are remembered", len(p.failed))
	}
}

func TestHash(t *testing.T) {
	h := Hash{Parameters: cheap, Salt: []byte("0123456789abcdef"), Key: make([]byte, 32)}
	h.Key = h.derive("pass word")
	if !slices.Equal(h.derive("pass word"), h.Key) || slices.Equal(h.derive("pass word "), h.Key) {
		t.Error("a password and its hash differ")
	}
	good := h.String()
	back, err := ParseHash(good)
	if err != nil || back.Parameters != cheap || !slices.Equal(back.Key, h.Key) {
		t.Errorf("%+v %v", back, err)
	}
	for what, bad := range map[string]string{
		"nothing": "", "another kind": strings.Replace(good, "argon2id", "argon2i", 1),
		"no salt": "$argon2id$v=19$m=64,t=1,p=1$$" + strings.Repeat("A", 43), "too much memory": strings.Replace(good,
			"m=64", "m=4294967295", 1),
		"no passes": strings.Replace(good, "t=1", "t=0", 1), "many threads": strings.Replace(good, "p=1", "p=300", 1),
		"a zero in front": strings.Replace(good, "m=64", "m=064", 1), "a line break": good + "\n", "more": good + "$x",
		"another version": strings.Replace(good, "v=19", "v=16", 1), "long": good + strings.Repeat("A", 300),
	} {
		if h, err := ParseHash(bad); !errors.Is(err, ErrHash) {
			t.Errorf("%s: %+v %v", what, h, err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(Hash{Parameters: DefaultParameters, Salt: make([]byte, 16), Key: make([]byte, 32)}.String())
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHash(s)
		switch {
		case err != nil && !errors.Is(err, ErrHash):
			t.Fatalf("%q: %v", s, err)
		case err == nil && h.String() != s:
			t.Fatalf("%q is written %q", s, h)
		case err == nil && !h.valid():
			t.Fatalf("%q has parameters above the limits", s)
		}
		var salt [16]byte
		var key [32]byte
		if p := parseUsual([]byte(s), &salt, &key); p != (Parameters{}) {
			if err != nil || p != h.Parameters || !slices.Equal(salt[:], h.Salt) || !slices.Equal(key[:], h.Key) {
				t.Fatalf("%q: %+v and %+v, %v", s, p, h, err)
			}
		} else if err == nil && len(h.Salt) == len(salt) && len(h.Key) == len(key) {
			t.Fatalf("%q is usual", s)
		}
	})
}

// Readers and the folding goroutine meet: for the race detector.
func TestManyReaders(t *testing.T) {
	d := NewDirectory()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 500 {
				_, _ = d.ByKey("EK1", "x")
				_, _ = d.Account(trade.AccountID(i))
				_ = d.Sessions(1, 0)
			}
		})
	}
	for i := range 500 {
		d.Fold([]trade.Event{opened(trade.AccountID(i+1), fmt.Sprint("login", i), "")})
	}
	all.Wait()
}

func BenchmarkByKey(b *testing.B) {
	d := NewDirectory()
	id, secret, hash := NewKey()
	d.Fold([]trade.Event{opened(1, "ann", ""), {Kind: trade.KeyAdded, Account: 1,
		Credential: trade.Credential{KeyID: []byte(id),
			Hash: hash, Permissions: trade.MayTrade}}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.ByKey(id, secret); err != nil {
			b.Fatal(err)
		}
	}
}

// The memory of accounts with a login, a password and one key each, in bytes per account.
func BenchmarkDirectoryMemory(b *testing.B) {
	for _, keys := range []bool{false, true} {
		b.Run(fmt.Sprintf("keys=%v", keys), func(b *testing.B) {
			const accounts = 1_000_000
			hash := Hash{Parameters: DefaultParameters, Salt: make([]byte, 16), Key: make([]byte, 32)}.String()
			var before, after runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&before)
				d := NewDirectory()
				for i := range trade.AccountID(accounts) {
					e := opened(i+1, fmt.Sprintf("investor%08d", i), hash)
					d.Describe(&e)
					if keys {
						d.Describe(&trade.Event{Kind: trade.KeyAdded, Account: i + 1,
							Credential: trade.Credential{KeyID: fmt.Appendf(nil, "EK%016d", i)}})
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				runtime.KeepAlive(d)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/accounts, "B/account")
		})
	}
}

func BenchmarkPassword(b *testing.B) {
	p := NewPasswords(Limits{}, Parameters{}, nil)
	for b.Loop() {
		if _, err := p.Check(context.Background(), p.decoy, "password"); err != nil {
			b.Fatal(err)
		}
	}
}

// What was proved holds until the key is revoked, the session closed, or its time over.
func TestHolds(t *testing.T) {
	d := NewDirectory()
	id, secret, hash := NewKey()
	token, session := NewToken()
	d.Fold([]trade.Event{opened(1, "ann", ""), opened(2, "bob", ""),
		{Kind: trade.KeyAdded, Account: 1, Credential: trade.Credential{KeyID: []byte(id), Hash: hash,
			Permissions: trade.MayRead}},
		{Kind: trade.SessionOpened, Account: 1, Credential: trade.Credential{Hash: session, Expires: 100}}})
	byKey, err := d.ByKey(id, secret)
	if err != nil {
		t.Fatal(err)
	}
	bySession, err := d.ByToken(token, 50)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Holds(byKey, 1000) || !d.Holds(bySession, 99) || d.Holds(bySession, 100) {
		t.Error("a key has no end, a session has one")
	}
	stolen := byKey
	stolen.Account = 2
	if d.Holds(Principal{}, 0) || d.Holds(stolen, 0) {
		t.Error("nothing was proved")
	}
	d.Fold([]trade.Event{{Kind: trade.KeyRevoked, Account: 1, Credential: trade.Credential{KeyID: []byte(id)}},
		{Kind: trade.SessionClosed, Account: 1, Credential: trade.Credential{Hash: session}}})
	if d.Holds(byKey, 0) || d.Holds(bySession, 0) {
		t.Error("it still holds")
	}
}
