package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleep waits more exactly than the runtime's timers do, which may be a millisecond late on an idle machine.
func sleep(d time.Duration) {
	if d > 2*time.Millisecond {
		time.Sleep(d - time.Millisecond)
		return
	}
	t := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&t, nil) // cut short: the caller looks at the clock
}
