//go:build !planted

package planted

// Built says whether bugs can be planted in this build.
const Built = false

// Is is false: nothing is planted in this build.
func Is(Bug) bool { return false }
