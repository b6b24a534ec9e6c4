package replica

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// asideNice is how much the replay of a start and the making of snapshots give way to what answers somebody: other
// work of this process, and other processes of the machine.
const asideNice = 10

// stepAside gives the goroutine a thread that gives way to others. It is never given back, since niceness cannot be:
// the thread ends with the goroutine.
func stepAside() {
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), asideNice) // of the thread, on Linux; a courtesy
}

// aside does something that takes long on such a thread, and waits for it.
func aside[T any](do func() (T, error)) (v T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		stepAside()
		v, err = do()
	}()
	<-done
	return v, err
}
