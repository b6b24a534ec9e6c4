package node

import (
	"evenkeel/auth"
	"evenkeel/books"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/venue"
)

// views are the other views that the live books of a shard feed. The directory and the documents are those of the
// whole house, the rest is the shard's own.
type views struct {
	shard     uint16
	listing   *records.Listing
	directory *auth.Directory
	outbox    *venue.Outbox
	tail      *records.Tail
	documents *records.Documents
}

// attach makes the views tell what the books hold now, and follow them from here on. It runs between two entries.
func attach(b *books.Books, v *views, index uint64) {
	v.outbox.Reset()
	v.listing.Replace(func(list func(*trade.Event)) {
		v.directory.Replace(v.shard, func(direct func(*trade.Event)) {
			v.documents.Replace(v.shard, func(document func(*trade.Event)) {
				b.State().Describe(func(e *trade.Event) {
					list(e)
					direct(e)
					document(e)
					v.outbox.Learn(e)
				})
			})
		})
	})
	b.State().Outbox(v.outbox.Add)
	b.Day().Commit(index)
	b.Follow(v.fold)
}

func (v *views) fold(out *trade.Output) {
	v.listing.Fold(out.Events)
	v.directory.Fold(out.Events)
	for i := range out.Events {
		v.documents.Describe(&out.Events[i])
	}
	v.outbox.Fold(out)
}
