//go:build planted

package main

import (
	"os"

	"evenkeel/core/planted"
)

// plantedVariable names the bug of this process, in a build with the tag `planted`: drills and runbooks need a node
// that goes wrong.
const plantedVariable = "EVENKEEL_PLANTED"

func init() { planted.Choose(planted.Bug(os.Getenv(plantedVariable))) }
