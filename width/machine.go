package width

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// raiseLimit takes all file descriptors that the process may have, and returns how many. Those of a process without
// rights are what it was given.
func raiseLimit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	more := syscall.Rlimit{Cur: wanted, Max: max(wanted, l.Max)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more) == nil {
		return wanted
	}
	l.Cur = l.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // then it stays as it is
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return int(min(l.Cur, wanted)) //nolint:gosec // bounded
}

// wanted is how many descriptors a process of ours has use for.
const wanted = 100_000

func procOf(pid int, name string) string {
	if pid == 0 {
		return "/proc/self/" + name
	}
	return fmt.Sprintf("/proc/%d/%s", pid, name)
}

// memoryOf is what a process has of the machine's memory, in bytes; 0 when it is not known. pid 0 is this process.
func memoryOf(pid int) uint64 {
	text, err := os.ReadFile(procOf(pid, "statm"))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 63) //nolint:errcheck // 0 is unknown
	return pages * uint64(os.Getpagesize())          //nolint:gosec // positive
}

// descriptorsOf is how many descriptors a process has open.
func descriptorsOf(pid int) uint64 {
	all, err := os.ReadDir(procOf(pid, "fd"))
	if err != nil {
		return 0
	}
	return uint64(len(all))
}

// ticks is the unit of /proc/pid/stat.
const ticks = time.Second / 100

// processorOf is how much processor time a process has had.
func processorOf(pid int) time.Duration {
	text, err := os.ReadFile(procOf(pid, "stat"))
	at := bytes.LastIndexByte(text, ')')
	if err != nil || at < 0 {
		return 0
	}
	fields := strings.Fields(string(text[at+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 63)   //nolint:errcheck // 0 is unknown
	system, _ := strconv.ParseInt(fields[12], 10, 63) //nolint:errcheck // as above
	return time.Duration(user+system) * ticks
}

// socketMemory is what the kernel keeps in buffers of TCP connections, of all processes, in bytes.
func socketMemory() uint64 {
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "TCP:" {
			pages, _ := strconv.ParseUint(fields[len(fields)-1], 10, 63) //nolint:errcheck // 0 is unknown
			return pages * uint64(os.Getpagesize())                      //nolint:gosec // positive
		}
	}
	return 0
}

// noise is how late the machine wakes who wants to be woken every 10 ms, at worst of 99 in 100, until ctx ends.
func noise(ctx context.Context) (p99 time.Duration) {
	const step = 10 * time.Millisecond
	var late []time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		time.Sleep(step)
		late = append(late, time.Since(began)-step)
	}
	return quantile(late, 99)
}
