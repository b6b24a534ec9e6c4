package main

import (
	"fmt"
	"os"
	"os/exec"

	"evenkeel/node"
)

// hashesWord makes the program compute hashes of passwords for a server that runs it.
const hashesWord = "hashes"

// hashesAside lets a server compute hashes in a process of its own; a server without a door has none.
func hashesAside(c *node.Config) error {
	if c.NoQueue {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("the program's own file: %w", err)
	}
	c.Hashes = func() *exec.Cmd { return exec.Command(program, "serve", hashesWord) } //nolint:gosec // ourselves
	return nil
}
