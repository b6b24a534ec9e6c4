// Package must states what cannot be false.
//
// A broken statement is a bug, never bad input: it panics with a Broken value, the replica stops and another goes on.
// It never allocates when the statement holds, and it never decides anything about a request.
package must

// Broken is the panic value of a statement that did not hold.
type Broken string

func (b Broken) Error() string { return "broken: " + string(b) }

// Hold panics with Broken(what) unless ok.
func Hold(ok bool, what string) {
	if !ok {
		panic(Broken(what))
	}
}
