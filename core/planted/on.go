//go:build planted

package planted

// Built says whether bugs can be planted in this build.
const Built = true

// chosen is the bug that is planted. It is written once, before anything runs.
var chosen Bug

// Choose plants a bug, None for none.
func Choose(b Bug) { chosen = b }

// Is reports whether a bug is planted.
func Is(b Bug) bool { return b == chosen }
