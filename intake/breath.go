package intake

import (
	"context"
	"os"
	"sync/atomic"
)

// breath is how many questions, and orders, may begin, for each processor, before the network is heard again: a
// millisecond's.
const breath = 8

// Breath lets the network be heard between questions, and between orders: what it is given is called when everything
// that could run has run, and who sent something meanwhile has been heard. While something can run, the runtime looks
// at the network every 10 ms only, and then at 128 connections; and in a storm something always can, as each that ends
// wakes the next. So after a few nobody is woken: a byte goes through a pipe of our own, which is heard as connections
// are, and who hears it wakes the next few. So a cancel is heard soon, and has its turns of the processor behind a few
// others, not behind a hundred.
//
// Calls while one is on its way are one: what is given is the same always. It ends with ctx; from then on, and where
// there is no pipe to be had, what is given is called soon.
func Breath(ctx context.Context) func(next func()) {
	in, out, err := os.Pipe()
	if err != nil { // no more files: there is worse
		return func(next func()) { go next() }
	}
	context.AfterFunc(ctx, func() { _, _ = out.Close(), in.Close() })
	var waits atomic.Pointer[func()]
	call := func() {
		if next := waits.Swap(nil); next != nil {
			(*next)()
		}
	}
	go func() {
		var b [1]byte
		for {
			_, err := in.Read(b[:])
			call()
			if err != nil {
				return
			}
		}
	}()
	return func(next func()) {
		if waits.Swap(&next) != nil {
			return
		}
		if _, err := out.Write([]byte{1}); err != nil { // it is over; else there is room: one byte is on its way at most
			go call()
		}
	}
}
