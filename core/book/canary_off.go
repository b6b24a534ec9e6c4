//go:build !canary

package book

// newestFirst is the canary: a planted bug that the tests of this package must catch (-tags canary).
const newestFirst = false
