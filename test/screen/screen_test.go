// Package screen_test drives the web app as investors do: houses are built and started on empty data directories, and
// a real headless Chromium opens their pages, at the sizes of a desktop and of a phone, in Chinese and in English. The
// programs are in specs/, run.mjs plays them in the houses of houses.mjs, and this package reads what it prints: a
// line for each of them.
//
// It holds that every page works, is clean to axe, and says nothing in the console; that servers and nodes that are
// killed, and networks that are slow or lossy, cost the investor no order and show him nothing untrue; that every
// reason for which something is refused is told on the screen, or why no screen meets it (reasons.mjs). What fails
// leaves its picture in bin/screen. SPECS=login,security plays only those.
// Source: playwright.dev, github.com/dequelabs/axe-core.
package screen_test

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"evenkeel/test/rig"
)

const playLimit = 25 * time.Minute

func TestMain(m *testing.M) { rig.Main(m) }

func TestScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes minutes; run without -short")
	}
	rig.Needs(t, "node", exec.Command("node", "--version").Run())
	_, err := exec.LookPath("chromium")
	rig.Needs(t, "Chromium", err)
	_, err = os.Stat("node_modules/playwright-core/package.json")
	rig.Needs(t, "Playwright", err)
	_, err = os.Stat("../../web/dist/index.html")
	rig.Needs(t, "the built web app", err)

	ctx, cancel := context.WithTimeout(t.Context(), playLimit)
	defer cancel()
	program := exec.CommandContext(ctx, "node", "run.mjs")
	program.Env = append(os.Environ(), "EVENKEEL_BINARY="+rig.Binary, "EVENKEEL_SCRATCH="+t.TempDir())
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its browser and its houses, when it takes too long
	program.Cancel = func() error { return syscall.Kill(-program.Process.Pid, syscall.SIGKILL) }
	program.WaitDelay = 5 * time.Second
	rig.Checks(t, program, 1)
}
