package api

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The published linter passes the description. It is installed by `npm ci` in test/openapi, and fetches nothing
// itself.
func TestDescriptionIsLinted(t *testing.T) {
	home := filepath.Join("..", "test", "openapi")
	linter := filepath.Join("node_modules", "@redocly", "cli", "bin", "cli.js")
	if _, err := os.Stat(filepath.Join(home, linter)); err != nil {
		t.Skip("the linter is not installed: npm ci --ignore-scripts in test/openapi")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "node", linter, "lint", "native")
	command.Dir = home
	command.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
}
