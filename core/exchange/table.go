package exchange

// tableChunk is how many entries a table grows by: growing never moves what is there, so a busy day has no pauses for
// copying.
const tableChunk = 1024

// table is a list that only grows, with stable addresses.
type table[T any] struct {
	chunks []*[tableChunk]T
	count  uint32
}

// add returns a new zero entry and its index.
func (t *table[T]) add() (entry *T, index uint32) {
	index = t.count
	if index%tableChunk == 0 {
		t.chunks = append(t.chunks, new([tableChunk]T))
	}
	t.count++
	return t.at(index), index
}

func (t *table[T]) at(index uint32) *T { return &t.chunks[index/tableChunk][index%tableChunk] }
