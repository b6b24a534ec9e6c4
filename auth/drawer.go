package auth

// place names a row of a drawer; 0 is none.
type place uint32

// drawer holds rows that come and go, one beside the other: a million of them are a few pieces of memory, not a
// million.
type drawer[T any] struct {
	rows []T
	free []place
}

func (d *drawer[T]) at(p place) *T { return &d.rows[p-1] }

func (d *drawer[T]) put(v T) place {
	if n := len(d.free); n > 0 {
		p := d.free[n-1]
		d.free = d.free[:n-1]
		*d.at(p) = v
		return p
	}
	d.rows = append(d.rows, v)
	return place(len(d.rows))
}

// drop empties a row, so that nothing of it stays in memory, and gives its place away again.
func (d *drawer[T]) drop(p place) {
	var none T
	*d.at(p) = none
	d.free = append(d.free, p)
}
