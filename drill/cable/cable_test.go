package cable

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// echoVariable makes a test binary a program that sends back what it hears.
const echoVariable = "EVENKEEL_TEST_ECHO"

// TestMain is three programs: the tests, the tests again in namespaces of their own, and an echo on a machine.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(echoVariable) != "":
		if err := echo(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case !Inside() && Usable() == nil:
		if err := Enter(); err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				os.Exit(exit.ExitCode())
			}
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

const echoPort = 7777

// echo sends back every datagram that it hears, after it has sent one to itself and one to the machine named.
func echo() error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: echoPort})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	buffer := make([]byte, 100)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		if to, ask := strings.CutPrefix(string(buffer[:n]), "ask "); ask { // pass the question on
			other := &net.UDPAddr{IP: net.ParseIP(to), Port: echoPort}
			if _, err := c.WriteToUDP(fmt.Appendf(nil, "from %s", from), other); err != nil {
				return err
			}
			continue
		}
		if asker, passed := strings.CutPrefix(string(buffer[:n]), "from "); passed {
			to, err := net.ResolveUDPAddr("udp4", asker)
			if err != nil {
				return err
			}
			if _, err := c.WriteToUDP([]byte("heard"), to); err != nil {
				return err
			}
			continue
		}
		if _, err := c.WriteToUDPAddrPort([]byte("heard"), from); err != nil {
			return err
		}
	}
}

func TestCables(t *testing.T) {
	if err := Usable(); err != nil {
		t.Skip("left out: ", err)
	}
	n, err := New("a", "b")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"a", "b"} {
		command := exec.Command("/proc/self/exe")
		command.Env = append(os.Environ(), echoVariable+"=yes")
		command.Stderr = os.Stderr
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(m, command); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = command.Process.Kill()
			_ = command.Wait()
		})
		if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what         string
		faults       []Fault
		a, b, across bool // whether the hub is heard by a, by b, and by b through a
	}{
		{"all is well", nil, true, true, true},
		{"a is cut off", Cut("a"), false, true, false},
		{"a is mute", Mute("a", Everywhere), false, true, false},
		{"a is mute to b", Mute("a", "b"), true, true, false},
		{"a is deaf to b", Deafen("a", "b"), true, true, true},
		{"a is cut off from b", Cut("a", "b"), true, true, false},
		{"b is deaf to the hub", Deafen("b", Hub), true, false, true},
		{"all is well again", nil, true, true, true},
	} {
		if err := n.Set(c.faults...); err != nil {
			t.Fatal(err)
		}
		a, b := n.Address("a").String(), n.Address("b").String()
		if got := hears(t, a, "hello", c.a); got != c.a {
			t.Errorf("%s: a hears: %v", c.what, got)
		}
		if got := hears(t, b, "hello", c.b); got != c.b {
			t.Errorf("%s: b hears: %v", c.what, got)
		}
		if got := hears(t, a, "ask "+b, c.across); got != c.across {
			t.Errorf("%s: b hears through a: %v", c.what, got)
		}
	}
	if err := n.Set(Fault{From: Everywhere, To: "a", Loss: 30}); err != nil {
		t.Fatal(err)
	}
	if heard := count(t, n.Address("a").String(), 500); heard < 290 || heard > 410 {
		t.Errorf("%d of 500 packets came back at a loss of 30 %%", heard)
	}
}

// hears reports whether an answer comes: one that is expected may take its time on a machine that does much else.
func hears(t *testing.T, address, question string, expected bool) bool {
	t.Helper()
	patience := 200 * time.Millisecond
	if expected {
		patience = 5 * time.Second
	}
	c, err := net.ListenUDP("udp4", nil) // whoever answers
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WriteToUDP([]byte(question), &net.UDPAddr{IP: net.ParseIP(address), Port: echoPort}); err != nil {
		return false
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err = c.Read(make([]byte, 100))
	return err == nil
}

func count(t *testing.T, address string, times int) (heard int) {
	t.Helper()
	c, err := net.Dial("udp4", net.JoinHostPort(address, fmt.Sprint(echoPort)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range times {
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Read(make([]byte, 100)); err == nil {
			heard++
		}
	}
	return heard
}
