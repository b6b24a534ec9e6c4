package house_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"evenkeel/test/rig"
)

// logOf is the newest file of a log under the data directory.
func logOf(t *testing.T, dir, whose string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, whose, "g1", "log", "*.wal"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no log of the %s: %v", whose, err)
	}
	return files[len(files)-1]
}

// used is where the written part of a log ends: what follows is zeros that were made room for.
func used(t *testing.T, file string) int64 {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(bytes.TrimRight(content, "\x00")))
}

// TestDamagedFiles starts houses whose files were cut or changed: a torn end is cut off and nothing acknowledged is
// lost; anything else is refused with the file and the offset, and left as it was.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--demo", "1")
	who := h.accounts[0]
	for range 20 {
		h.place(who, limit("buy", "600000.SH", 100, "9.90"))
	}
	if said, err := h.desk("", "snapshot"); err != nil {
		t.Fatalf("%v %s", err, said)
	}
	last := h.place(who, limit("buy", "600000.SH", 200, "9.90"))
	h.order(who, last, "new")
	before := h.picture(who)
	h.watch(who)
	h.Kill()
	log := logOf(t, h.dir, "broker")
	snapshots, err := filepath.Glob(filepath.Join(h.dir, "broker", "g1", "snapshots", "*"))
	if err != nil || len(snapshots) == 0 {
		t.Fatalf("no snapshots: %v", err)
	}
	whole, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	end := used(t, log)

	// The watchlist is the last record and several sectors long: the power went before its last ones came to the
	// disk.
	// This one was acknowledged, so it had been synced; a torn one never is.
	const sector = 512
	torn := bytes.Clone(whole)
	clear(torn[(end-1)/sector*sector:])
	write(t, log, torn)
	h.start()
	h.ready()
	if lines := differences("", before, h.picture(who)); len(lines) > 0 {
		t.Errorf("after a torn end:\n%s", strings.Join(lines, "\n"))
	}
	if lists := h.list(who, "/v2/watchlists"); len(lists) != 0 {
		t.Errorf("half a watchlist is there: %v", lists)
	}
	h.watch(who) // the log goes on
	h.Kill()

	end = used(t, log)
	damages := []struct {
		name, file string
		change     func([]byte) []byte
		says       []string
	}{
		{"a changed byte in the middle of the log", log, func(b []byte) []byte { b[end/2] ^= 0x40; return b },
			[]string{log, "corrupt at offset"}},
		{"a log cut in the middle", log, func(b []byte) []byte { return b[:end/4] }, []string{"log"}},
		{"no marker", filepath.Join(h.dir, "broker", "g1", "MARKER"), func([]byte) []byte { return nil },
			[]string{"MARKER"}},
		{"a marker of others", filepath.Join(h.dir, "broker", "g1", "MARKER"),
			func(b []byte) []byte { return bytes.Replace(b, []byte("node 1"), []byte("node 7"), 1) },
			[]string{"another group or node"}},
		{"a demo.json that is none", filepath.Join(h.dir, "demo.json"), func([]byte) []byte { return []byte("{") },
			[]string{"demo.json", "move it away"}},
	}
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			good, err := os.ReadFile(d.file)
			if err != nil {
				t.Fatal(err)
			}
			bad := d.change(bytes.Clone(good))
			if bad == nil {
				err = os.Remove(d.file)
			} else {
				write(t, d.file, bad)
			}
			if err != nil {
				t.Fatal(err)
			}
			said := rig.Run(t, "serve", "--data", h.dir, "--listen", "127.0.0.1:0").Fails()
			for _, want := range d.says {
				if !strings.Contains(said, want) || strings.Contains(said, "panic") {
					t.Errorf("%q does not say %q", said, want)
				}
			}
			if now, _ := os.ReadFile(d.file); bad != nil && !bytes.Equal(now, bad) {
				t.Error("the damaged file was changed")
			}
			write(t, d.file, good)
		})
	}

	// A damaged snapshot is not needed: an older one, or the log alone, makes the same books.
	for _, file := range snapshots {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 1
		write(t, file, content)
	}
	h.start()
	h.ready()
	if lines := differences("", before, h.picture(who)); len(lines) > 0 {
		t.Errorf("after damaged snapshots:\n%s", strings.Join(lines, "\n"))
	}
}

// watch keeps a list of every security.
func (h *house) watch(who account) {
	h.t.Helper()
	var symbols []string
	for _, a := range h.list(who, "/v2/assets") {
		symbols = append(symbols, text(a, "symbol"))
	}
	h.must(http.StatusOK, who, "POST", "/v2/watchlists", object{"name": "all", "symbols": symbols})
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// smallDisk is a file system of the test's own, with room for a house and little more.
type smallDisk struct {
	t   *testing.T
	dir string
}

func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	d := &smallDisk{t: t, dir: t.TempDir()}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size=320m"); err != nil {
		t.Skipf("a file system of its own cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

// fill takes back the room that a log has made for itself in advance, and all that is left of the disk: the log's
// next page finds none. The house must stand still meanwhile.
func (d *smallDisk) fill(log string) {
	d.t.Helper()
	const page, keepSizePunchHole = 4096, 0x01 | 0x02 // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
	file, err := os.OpenFile(log, os.O_RDWR, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		d.t.Fatal(err)
	}
	from := (used(d.t, log) + page - 1) / page * page
	if err := syscall.Fallocate(int(file.Fd()), keepSizePunchHole, from, info.Size()-from); err != nil {
		d.t.Skipf("no holes can be made in files here: %v", err)
	}
	filler, err := os.Create(filepath.Join(d.dir, "filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = filler.Close() }()
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		if _, err := filler.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

// clear gives the room back.
func (d *smallDisk) clear() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.dir, "filler")); err != nil {
		d.t.Fatal(err)
	}
}

// TestFullDisk fills the disk under the books: orders are refused in words, the process says why and ends; with room
// again everything that was acknowledged is there, and nothing else that was not asked for.
func TestFullDisk(t *testing.T) {
	d := newSmallDisk(t)
	h := &house{t: t, dir: filepath.Join(d.dir, "data"), args: []string{"--flow", "0", "--demo", "1"}}
	h.start()
	h.ready()
	who := h.accounts[0]
	acknowledged := []string{h.place(who, limit("buy", "600000.SH", 100, "9.90"))}
	h.order(who, acknowledged[0], "new")
	h.Pause(func() { d.fill(logOf(t, h.dir, "broker")) })
	refusals := map[string]int{}
	for i := 0; refusals["503 UNAVAILABLE"] == 0; i++ {
		order := broken(limit("buy", "600000.SH", 100, "9.90"), "client_order_id", fmt.Sprint(i))
		status, answer := h.call(who, "POST", "/v2/orders", order)
		if status == 0 || i > 10_000 {
			t.Fatalf("after %d orders: %v; refusals %v", i, answer, refusals)
		}
		if status == http.StatusOK {
			acknowledged = append(acknowledged, text(answer, "id"))
			continue
		}
		refusals[fmt.Sprintf("%d %s", status, text(answer, "reason"))]++
		if status != 503 && status != 429 && text(answer, "reason") != "OUTCOME_UNKNOWN" {
			t.Errorf("status %d: %v", status, answer)
		}
	}
	if status, body := h.call(account{}, "GET", "/readyz", nil); status != 503 {
		t.Errorf("with a full disk it is ready: %d %v", status, body)
	}
	h.must(200, who, "GET", "/v2/orders", nil) // questions are still answered
	if said := h.Fails(); !strings.Contains(said, "no space left on device") || !strings.Contains(said, "make room") {
		t.Errorf("it ended with:\n%s", said)
	}
	d.clear()
	h.start()
	h.ready()
	for _, id := range acknowledged {
		h.order(who, id, "new")
	}
	if said, err := h.desk("", "check"); err != nil {
		t.Errorf("the books do not add up: %v %s", err, said)
	}
	t.Logf("%d orders acknowledged, refusals %v", len(acknowledged), refusals)
}

// TestFullDiskOfTheExchange fills the disk under the journal of the exchange in the same process: the house stays up
// and says so, takes orders into its books, and sends them when the exchange has come back by itself.
func TestFullDiskOfTheExchange(t *testing.T) {
	d := newSmallDisk(t)
	h := &house{t: t, dir: filepath.Join(d.dir, "data"), args: []string{"--flow", "0", "--demo", "1"}}
	h.start()
	h.ready()
	who := h.accounts[0]
	first := h.place(who, limit("buy", "600000.SH", 100, "9.90"))
	h.order(who, first, "new")
	h.Pause(func() { d.fill(logOf(t, h.dir, "exchange")) })
	eventually(t, "the exchange's journal fails", func() error {
		h.place(who, limit("buy", "600000.SH", 100, "9.70")) // the books take it, whatever the exchange can do
		if status, body := h.call(account{}, "GET", "/readyz", nil); status != 503 ||
			!strings.Contains(fmt.Sprint(body), "journal failed") {
			return fmt.Errorf("%d %v", status, body)
		}
		return nil
	})
	second := h.place(who, limit("buy", "600000.SH", 200, "9.80"))
	d.clear()
	h.ready()
	h.order(who, second, "new")
	h.cancelled(who, first)
	h.order(who, first, "canceled")
}
