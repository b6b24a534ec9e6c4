package peer

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What is lost between nodes is sent again long before an election, where the kernel can.
func TestHasten(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hasten(c)
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int64{unix.TCP_RTO_MIN_US: resendAfter.Microseconds(),
		unix.TCP_DELACK_MAX_US: answerAfter.Microseconds()} {
		var got int
		var wrong error
		if err := raw.Control(func(fd uintptr) {
			got, wrong = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option)
		}); err != nil {
			t.Fatal(err)
		}
		switch {
		case errors.Is(wrong, unix.ENOPROTOOPT):
			t.Skip("Linux before 6.15")
		case wrong != nil || int64(got) < want*9/10 || int64(got) > want*6/5+4000: // in ticks of the kernel, up to 4 ms
			t.Errorf("option %d is %d us, want %d: %v", option, got, want, wrong)
		}
	}
}
