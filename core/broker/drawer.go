package broker

import "evenkeel/core/ledger"

// drawer keeps records of one kind for all accounts. An account's records hang on a list, in the order in which they
// came; records given up are used again.
type drawer[T any] struct {
	records ledger.Sheets[record[T]]
	free    uint32
}

type record[T any] struct {
	next  uint32 // record number from 1; 0: the last
	value T
}

// at returns a record by its number, from 1.
func (d *drawer[T]) at(i uint32) *record[T] { return d.records.At(i - 1) }

// count returns the length of a list.
func (d *drawer[T]) count(first uint32) int {
	n := 0
	for ; first != 0; first = d.at(first).next {
		n++
	}
	return n
}

// add hangs a zero record at the end of a list.
func (d *drawer[T]) add(first *uint32) (uint32, *T) {
	i := d.free
	if i != 0 {
		r := d.at(i)
		d.free = r.next
		*r = record[T]{}
	} else {
		i, _ = d.records.Add()
		i++
	}
	end := first
	for *end != 0 {
		end = &d.at(*end).next
	}
	*end = i
	return i, &d.at(i).value
}

// remove takes a record off its list.
func (d *drawer[T]) remove(first *uint32, i uint32) {
	end := first
	for *end != i {
		end = &d.at(*end).next
	}
	r := d.at(i)
	*end = r.next
	*r = record[T]{next: d.free}
	d.free = i
}
