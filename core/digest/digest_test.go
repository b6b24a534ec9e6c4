package digest

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

// hashOf hashes four words the way rows do.
func hashOf(kind uint8, number uint32, w [4]uint64) uint64 {
	return Row(kind, number, Pair(0, w[0], w[1])+Pair(1, w[2], w[3]))
}

// TestBitFlips: every flip of one bit, of words as they occur in books, changes a row's hash, and about half its bits.
func TestBitFlips(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	changed, flips := 0, 0
	for i := range 2000 {
		w := [4]uint64{r.Uint64() >> r.IntN(64), uint64(r.IntN(3)), r.Uint64() >> r.IntN(64), 0}
		was := hashOf(1, uint32(i), w)
		for word := range w {
			for bit := range 64 {
				w[word] ^= 1 << bit
				is := hashOf(1, uint32(i), w)
				w[word] ^= 1 << bit
				if is == was {
					t.Fatalf("bit %d of word %d of %x went unseen", bit, word, w)
				}
				changed += bits.OnesCount64(is ^ was)
				flips++
			}
		}
	}
	if mean := float64(changed) / float64(flips); mean < 30 || mean > 34 {
		t.Errorf("a flip changes %.1f of 64 bits", mean)
	}
}

// TestRowsKeepTheirPlace: rows that swap contents, kinds or words are other rows.
func TestRowsKeepTheirPlace(t *testing.T) {
	a, b := [4]uint64{7, 0, 0, 1}, [4]uint64{9, 0, 0, 1}
	if hashOf(1, 4, a)+hashOf(1, 5, b) == hashOf(1, 4, b)+hashOf(1, 5, a) {
		t.Error("two rows swapped their contents unseen")
	}
	if hashOf(1, 4, a) == hashOf(2, 4, a) {
		t.Error("a row of another kind hashes alike")
	}
	if hashOf(1, 4, [4]uint64{7, 8, 9, 1}) == hashOf(1, 4, [4]uint64{8, 7, 9, 1}) ||
		hashOf(1, 4, [4]uint64{7, 8, 9, 1}) == hashOf(1, 4, [4]uint64{9, 8, 7, 1}) {
		t.Error("words swapped unseen")
	}
}

// TestSmallDifferences: what a wrong program makes of many rows, a few shares here and there, does not cancel out.
func TestSmallDifferences(t *testing.T) {
	seen := map[uint64]bool{}
	for a := range uint64(60) {
		for b := range uint64(60) {
			sum := hashOf(1, 1, [4]uint64{1000 + a, 50, 0, 0}) + hashOf(1, 2, [4]uint64{1000 + b, 50, 0, 0})
			if seen[sum] {
				t.Fatalf("%d and %d give a sum that was there already", a, b)
			}
			seen[sum] = true
		}
	}
}

func TestSums(t *testing.T) {
	var s Sums
	s.Add(3, 10)
	s.Add(SheetRows*5+1, 100)
	s.Add(3, ^uint64(3)) // less 4
	if s.Total() != 106 || s.Sheet(0) != 6 || s.Sheet(5) != 100 || s.Sheet(2) != 0 || s.Sheet(99) != 0 {
		t.Errorf("sums are %v", s.sheets)
	}
	s.Clear()
	s.Add(SheetRows, 1)
	if s.Total() != 1 || s.Sheet(0) != 0 || s.Sheet(5) != 0 {
		t.Errorf("sums after Clear are %v", s.sheets)
	}
}
