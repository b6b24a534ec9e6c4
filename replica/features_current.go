//go:build !previous

package replica

// withheld is how many of the newest features this binary denies.
const withheld = 0
