package auth

import (
	"os"
	"os/exec"
	"sync"
	"testing"
)

// asideVariable makes this test's program the process of hashes.
const asideVariable = "EVENKEEL_TEST_HASHES"

func TestMain(m *testing.M) {
	if os.Getenv(asideVariable) != "" {
		if ServeAside(os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Hashes that are computed aside are those that are computed here, and nobody's login hangs on that process: when it
// ends, who waits for it is answered all the same, and it is begun again.
func TestAside(t *testing.T) {
	begun := 0
	a := NewAside(func() *exec.Cmd {
		begun++
		c := exec.Command(os.Args[0]) //nolint:gosec // ourselves
		c.Env = append(os.Environ(), asideVariable+"=1")
		return c
	})
	defer a.Close()
	here, aside := NewPasswords(Limits{}, cheap, nil), NewPasswords(Limits{AtOnce: 4}, cheap, nil)
	aside.Aside(a)
	for _, word := range []string{"pass word", "\xff\xfe not a text \x00", "密码密码密码"} {
		encoded, err := aside.Encode(t.Context(), word)
		if err != nil {
			t.Fatal(err)
		}
		for other, want := range map[string]bool{word: true, word + " ": false} {
			if ok, err := here.Check(t.Context(), encoded, other); ok != want || err != nil {
				t.Errorf("%q for %q: %v %v", other, word, ok, err)
			}
			if ok, err := aside.Check(t.Context(), encoded, other); ok != want || err != nil {
				t.Errorf("aside, %q for %q: %v %v", other, word, ok, err)
			}
		}
	}
	if begun != 1 || a.process == nil {
		t.Fatalf("begun %d times", begun)
	}
	first := a.process
	good, err := here.Encode(t.Context(), "pass word")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if i == 20 {
				_ = first.command.Process.Kill()
			}
			if ok, err := aside.Check(t.Context(), good, "pass word"); !ok || err != nil {
				t.Errorf("while it ended: %v %v", ok, err)
			}
		})
	}
	all.Wait()
	<-first.ended
	a.begun = a.begun.Add(-asideEvery)
	if _, err := a.derive(Hash{Parameters: cheap, Salt: random(saltBytes), Key: make([]byte, 32)}, "x"); err != nil {
		t.Errorf("it is not begun again: %v", err)
	}
	a.Close()
	if ok, err := aside.Check(t.Context(), good, "pass word"); !ok || err != nil {
		t.Errorf("after its end: %v %v", ok, err)
	}
}
