package book

import (
	"math/bits"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// A ladder is one side's price levels. They form a list from best to worst, so that matching and depth only follow
// links; a tree of 64-way pages over the tick number finds a price's level, or the neighbours of a new one. Keys are
// tick numbers, mirrored for buys, so that on both sides the smaller key is the better price.
//
// The tree is 5 pages deep whatever the prices are, and a page lives only while something is under it: an order a
// million ticks away costs at most 5 small pages. The pages near each other in price are found at once through near.
type ladder struct {
	side     trade.Side
	flip     uint32 // key = tick number ^ flip
	root     uint32
	best     uint32 // first level of the list, 0 when the side is empty
	orders   int
	levels   int
	quantity money.Quantity
	near     [nearBlocks]nearBlock
}

const (
	pageBits   = 6 // children of a page: 1 << pageBits, the bits of a word
	pageMask   = 1<<pageBits - 1
	rootShift  = 4 * pageBits // MostTicks is 1 << 5*pageBits
	nearBlocks = 64
)

// nearBlock remembers the leaf of a block of 64 keys.
type nearBlock struct{ block, leaf uint32 } // leaf 0: nothing is remembered

// level is the orders at one price; first to last in time. 32 bytes.
type level struct {
	quantity money.Quantity
	key      uint32
	orders   uint32
	first    uint32
	last     uint32
	better   uint32
	worse    uint32 // a free level: the next free one
}

// page is a node of the tree: which children there are, and where. Children of a leaf are levels.
type page struct {
	present uint64
	parent  uint32 // 0 at the root; a free page: the next free one
	slot    uint32 // in the parent
	child   [1 << pageBits]uint32
}

// pool holds the levels and pages of both sides; 0 is none in both.
type pool struct {
	levels    []level
	pages     []page
	freeLevel uint32
	freePage  uint32
}

func (p *pool) clear() {
	p.levels = append(p.levels[:0], level{})
	p.pages = append(p.pages[:0], page{})
	p.freeLevel, p.freePage = 0, 0
}

func (p *pool) takePage(parent, slot uint32) uint32 {
	at := p.freePage
	if at != 0 {
		p.freePage = p.pages[at].parent
		p.pages[at].parent, p.pages[at].slot = parent, slot // its present is 0, so its children are never read
		return at
	}
	p.pages = append(p.pages, page{parent: parent, slot: slot})
	return uint32(len(p.pages) - 1)
}

func (p *pool) takeLevel() uint32 {
	at := p.freeLevel
	if at != 0 {
		p.freeLevel = p.levels[at].worse
		return at
	}
	p.levels = append(p.levels, level{})
	return uint32(len(p.levels) - 1)
}

// leaf returns the leaf page of key, making it when it is not there.
func (p *pool) leaf(l *ladder, key uint32) uint32 {
	block := key >> pageBits
	n := &l.near[block%nearBlocks]
	if n.leaf != 0 && n.block == block {
		return n.leaf
	}
	at := l.root
	for shift := rootShift; shift > 0; shift -= pageBits {
		slot := key >> shift & pageMask
		if p.pages[at].present>>slot&1 == 0 {
			child := p.takePage(at, slot)
			p.pages[at].present |= 1 << slot
			p.pages[at].child[slot] = child
		}
		at = p.pages[at].child[slot]
	}
	*n = nearBlock{block, at}
	return at
}

// level returns the level of key, making it when it is not there.
func (p *pool) level(l *ladder, key uint32) uint32 {
	leaf := p.leaf(l, key)
	slot := key & pageMask
	if p.pages[leaf].present>>slot&1 != 0 {
		return p.pages[leaf].child[slot]
	}
	better, worse := p.neighbours(l, leaf, slot)
	at := p.takeLevel()
	p.levels[at] = level{key: key, better: better, worse: worse}
	if better == 0 {
		l.best = at
	} else {
		p.levels[better].worse = at
	}
	if worse != 0 {
		p.levels[worse].better = at
	}
	l.levels++
	p.pages[leaf].present |= 1 << slot
	p.pages[leaf].child[slot] = at
	return at
}

// neighbours returns the levels before and behind the one that is about to be put at slot of leaf.
func (p *pool) neighbours(l *ladder, leaf, slot uint32) (better, worse uint32) {
	if l.best == 0 {
		return 0, 0
	}
	for at, height := leaf, 0; ; height++ {
		g := &p.pages[at]
		if before := g.present & (1<<slot - 1); before != 0 {
			at = g.child[bits.Len64(before)-1]
			for ; height > 0; height-- {
				at = p.pages[at].child[bits.Len64(p.pages[at].present)-1]
			}
			return at, p.levels[at].worse
		}
		if behind := g.present &^ (1<<slot - 1) &^ (1 << slot); behind != 0 {
			at = g.child[bits.TrailingZeros64(behind)]
			for ; height > 0; height-- {
				at = p.pages[at].child[bits.TrailingZeros64(p.pages[at].present)]
			}
			return p.levels[at].better, at
		}
		at, slot = g.parent, g.slot // the side is not empty: an ancestor has another child
	}
}

// drop takes the empty level at out of the ladder, and the pages that hold nothing more.
func (p *pool) drop(l *ladder, at uint32) {
	v := &p.levels[at]
	if v.better == 0 {
		l.best = v.worse
	} else {
		p.levels[v.better].worse = v.worse
	}
	if v.worse != 0 {
		p.levels[v.worse].better = v.better
	}
	l.levels--
	leaf, slot := p.leaf(l, v.key), v.key&pageMask
	block := v.key >> pageBits
	v.worse, p.freeLevel = p.freeLevel, at
	p.pages[leaf].present &^= 1 << slot
	if p.pages[leaf].present != 0 {
		return
	}
	if n := &l.near[block%nearBlocks]; n.block == block {
		n.leaf = 0
	}
	for at := leaf; at != l.root && p.pages[at].present == 0; {
		g := &p.pages[at]
		parent, slot := g.parent, g.slot
		g.parent, p.freePage = p.freePage, at
		p.pages[parent].present &^= 1 << slot
		at = parent
	}
}
