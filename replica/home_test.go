package replica

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestHoles looks for bytes in files that are mostly holes: none is passed over.
func TestHoles(t *testing.T) {
	const size = 4 << 20
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // repeatable
	for round := range 50 {
		file, err := os.Create(filepath.Join(t.TempDir(), "segment"))
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Truncate(size); err != nil {
			t.Fatal(err)
		}
		var last int64
		for range random.IntN(4) {
			at := random.Int64N(size)
			if _, err := file.WriteAt([]byte{1}, at); err != nil {
				t.Fatal(err)
			}
			last = max(last, at+1)
		}
		from := random.Int64N(size)
		if end, err := lastNonzero(file, from, size); err != nil || end != max(from, last) {
			t.Errorf("round %d: from %d the last byte is before %d, %v; it is before %d", round, from, end, err, max(from, last))
		}
		if spans := spansOf(file, size, size); spans != nil {
			t.Errorf("round %d: behind the end there are %v", round, spans)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
