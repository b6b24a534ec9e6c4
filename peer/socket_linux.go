package peer

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How long TCP waits between nodes. Its own defaults are made for the open internet: what is lost is sent again after
// 200 ms, which is longer than an election takes; then after 400 ms, and 800. Nodes are near each other.
const (
	resendAfter = 20 * time.Millisecond // and twice as long each time, beside the round trip that was measured
	answerAfter = 10 * time.Millisecond // before which a packet is acknowledged: less than resendAfter
)

// hasten has a socket find out sooner that a packet was lost. Linux knows how from 6.15 on; before that it is as slow
// as it ever was, and everything works.
func hasten(socket net.Conn) {
	has, ok := socket.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RTO_MIN_US, int(resendAfter.Microseconds()))
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DELACK_MAX_US, int(answerAfter.Microseconds()))
	})
}
