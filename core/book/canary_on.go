//go:build canary

package book

// newestFirst breaks time priority at a price level, to prove that the alarms ring.
const newestFirst = true
