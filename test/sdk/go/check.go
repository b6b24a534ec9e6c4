package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
)

// patience is how long the program waits for something that the market or the server owes it.
const patience = 30 * time.Second

// A report prints one line for each check and remembers whether one failed.
type report struct{ failed int }

// check runs one check; its error is the reason why it is not ok.
func (r *report) check(name string, run func() error) {
	if err := run(); err != nil {
		r.failed++
		fmt.Printf("not ok %s: %v\n", name, err)
		return
	}
	fmt.Println("ok", name)
}

// hold returns an error with the formatted text unless ok.
func hold(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// until asks again until the answer is nil or patience has run out; then it returns the last reason.
func until(limit time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// refused says whether err is the API's refusal with this status, and with a code and a message.
func refused(err error, status int) error {
	var said *alpaca.APIError
	if !errors.As(err, &said) {
		return fmt.Errorf("want a refusal with status %d, got %w", status, orNothing(err))
	}
	if said.StatusCode != status || said.Code/100_000 != status || said.Message == "" {
		return fmt.Errorf("want status %d and a code that begins with it, got %d, %d, %q",
			status, said.StatusCode, said.Code, said.Message)
	}
	return nil
}

var errNothing = errors.New("no error at all")

func orNothing(err error) error {
	if err == nil {
		return errNothing
	}
	return err
}

// A mailbox collects what a stream delivers, and lets the checks wait for it.
type mailbox[T any] struct {
	lock sync.Mutex
	kept []T
}

func (m *mailbox[T]) put(one T) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.kept = append(m.kept, one)
}

func (m *mailbox[T]) all() []T {
	m.lock.Lock()
	defer m.lock.Unlock()
	return append([]T(nil), m.kept...)
}

// first waits for one that fits.
func (m *mailbox[T]) first(limit time.Duration, fits func(T) bool) (T, error) {
	var found T
	err := until(limit, func() error {
		kept := m.all()
		for _, one := range kept {
			if fits(one) {
				found = one
				return nil
			}
		}
		return fmt.Errorf("nothing that fits among %d within %v", len(kept), limit)
	})
	return found, err
}
