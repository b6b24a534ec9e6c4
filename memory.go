package main

import (
	"bufio"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// Garbage collection of a server. Most of the heap lives for a day, and what a request leaves is little: collecting at
// four times the live heap instead of twice takes a quarter to a half off the slowest orders (measured with `evenkeel
// bench` at 1,000 a second, 2 processors, GOGC 400 beside 100; 300 leaves more memory to others). A soft limit below
// the machine's memory makes the collector work harder before the machine runs out. GOGC and GOMEMLIMIT, where they
// are set, win.
const (
	garbagePercent = 300
	memoryShare    = 4 // all but one part in so many of the machine's memory
)

// tuneMemory sets the collector for a process that serves.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	if total := machineMemory(); os.Getenv("GOMEMLIMIT") == "" && total > 0 {
		debug.SetMemoryLimit(total - total/memoryShare)
	}
}

// machineMemory is the machine's memory in bytes, 0 where it is not known.
func machineMemory() int64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }() // read only
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "MemTotal:" {
			continue
		}
		kilobytes, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil || kilobytes < 0 || kilobytes > math.MaxInt64>>10 {
			return 0
		}
		return kilobytes << 10
	}
	return 0
}
