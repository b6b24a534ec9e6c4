// Package digest is the hash of a table as the sum of the hashes of its rows: who changes a row takes the old one's
// hash off and adds the new one's, so that the sum is always up to date, and a walk over all rows finds it again.
//
// Units: hashes and sums are 64 bits, sums wrap. Rows are numbered from 0 within a table; a kind tells tables apart.
//
// Invariants: equal tables, equal sums, in whatever order rows came and went. A row with one other bit has another
// hash; two tables that differ have the same sum with a probability of about 2^-64, unless somebody made them so.
//
// It never remembers a row, and it is no defence against somebody who chooses contents: it finds faults of memory and
// programs.
//
// Source: Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing" (1997), for sums of hashes; the folded
// multiply of wyhash and UMASH, for hashing words in pairs.
package digest

import (
	"errors"
	"math/bits"
)

// ErrAltered: the rows are not what was accounted for. Memory is damaged, or a program changed a row and did not say
// so.
var ErrAltered = errors.New("rows were altered behind the books' back")

// Odd numbers without a pattern, of the fractions of the square roots of 2, 3 and 5.
const (
	pairKey   = 0x6a09e667f3bcc909
	kindKey   = 0xbb67ae8584caa73b
	numberKey = 0x3c6ef372fe94f82b
)

// Pair hashes two words of a row; place counts the pairs of the row. The hash of its words is the sum of its pairs.
func Pair(place, a, b uint64) uint64 {
	high, low := bits.Mul64(a^(2*place+1)*pairKey, b^(2*place+2)*pairKey)
	return high ^ low
}

// Row makes the hash of a row of what its words hash to.
func Row(kind uint8, number uint32, words uint64) uint64 {
	high, low := bits.Mul64(words^kindKey, (uint64(number)<<8|uint64(kind)|1<<40)*numberKey)
	return high ^ low
}

// SheetRows is how many rows have one sum.
const SheetRows = 1 << sheetBits

const sheetBits = 12

// Sums are the sums of a table's rows, one for each sheet of SheetRows, so that a part can be verified by itself.
type Sums struct{ sheets []uint64 }

// Add adds a row's hash, or a difference of hashes, to the sum of its sheet.
func (s *Sums) Add(number uint32, hash uint64) {
	sheet := number >> sheetBits
	if int(sheet) >= len(s.sheets) {
		s.grow(int(sheet) + 1)
	}
	s.sheets[sheet] += hash
}

func (s *Sums) grow(sheets int) {
	for len(s.sheets) < sheets {
		s.sheets = append(s.sheets, 0)
	}
}

// Sheet returns the sum of a sheet; of one without rows it is 0.
func (s *Sums) Sheet(i int) uint64 {
	if i >= len(s.sheets) {
		return 0
	}
	return s.sheets[i]
}

// Total returns the sum of all rows.
func (s *Sums) Total() uint64 {
	total := uint64(0)
	for _, sum := range s.sheets {
		total += sum
	}
	return total
}

// Clear makes all sums those of an empty table, and keeps the memory.
func (s *Sums) Clear() { s.sheets = s.sheets[:0] }
