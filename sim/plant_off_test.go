//go:build !planted

package sim

import "testing"

// plant plants nothing in an ordinary build.
func plant(*testing.T) {}
