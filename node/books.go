package node

import (
	"evenkeel/auth"
	"evenkeel/books"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/venue"
)

// views are the other views that the live books feed.
type views struct {
	listing   *records.Listing
	directory *auth.Directory
	outbox    *venue.Outbox
	tail      *records.Tail
	documents *records.Documents
}

// attach makes the views tell what the books hold now, and follow them from here on. It runs between two entries.
func attach(b *books.Books, v *views, index uint64) {
	v.outbox.Reset()
	v.listing.Reset()
	v.directory.Reset()
	v.documents.Reset()
	b.State().Describe(func(e *trade.Event) {
		v.listing.Describe(e)
		v.directory.Describe(e)
		v.outbox.Learn(e)
		v.documents.Describe(e)
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
