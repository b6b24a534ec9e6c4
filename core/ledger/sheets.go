package ledger

import "evenkeel/core/must"

const (
	sheetBits = 12
	sheetMask = 1<<sheetBits - 1
)

// Sheets is a growing row of T that never moves: it is bound of sheets of 4,096, so growing copies nothing, and of
// types without pointers the garbage collector sees only the sheets.
type Sheets[T any] struct {
	sheets []*[1 << sheetBits]T
	length uint32
}

// Len returns how many there are.
func (s *Sheets[T]) Len() int { return int(s.length) }

// At returns the i-th, from 0. The pointer stays valid.
func (s *Sheets[T]) At(i uint32) *T {
	return &s.sheets[i>>sheetBits][i&sheetMask]
}

// Add appends a zero T and returns its number.
func (s *Sheets[T]) Add() (uint32, *T) {
	i := s.length
	if int(i>>sheetBits) == len(s.sheets) {
		s.sheets = append(s.sheets, new([1 << sheetBits]T))
	}
	s.length++
	t := s.At(i)
	var zero T
	*t = zero
	return i, t
}

// Clear forgets all and keeps the memory.
func (s *Sheets[T]) Clear() { s.length = 0 }

const (
	slabBits         = 14
	sheetOfPositions = 1 << slabBits
	classes          = slabBits + 2
)

// slab holds the positions of all accounts in blocks of 1, 2, 4, ... positions. A block lies within one sheet, a freed
// block is used again for the same size.
type slab struct {
	sheets []*[sheetOfPositions]position
	free   [classes][]uint32 // by class: first positions of free blocks
}

func (s *slab) at(i uint32) *position {
	return &s.sheets[i>>slabBits][i&(sheetOfPositions-1)]
}

// block returns the positions i to i+n, which lie in one block.
func (s *slab) block(i uint32, n uint16) []position {
	at := i & (sheetOfPositions - 1)
	return s.sheets[i>>slabBits][at : at+uint32(n)]
}

// take returns a block of 1<<(class-1) positions with any content.
func (s *slab) take(class uint8) uint32 {
	must.Hold(class >= 1 && class < classes, "a block has a size")
	free := s.free[class]
	if len(free) == 0 {
		first := uint32(len(s.sheets)) << slabBits
		s.sheets = append(s.sheets, new([sheetOfPositions]position))
		for i := uint32(sheetOfPositions); i > 0; {
			i -= 1 << (class - 1)
			free = append(free, first+i)
		}
	}
	last := len(free) - 1
	i := free[last]
	s.free[class] = free[:last]
	return i
}

func (s *slab) give(i uint32, class uint8) { s.free[class] = append(s.free[class], i) }
