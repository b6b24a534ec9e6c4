// Package sim is the whole house in a made-up world: the broker's nodes with their logs, disks and books, the link
// to the exchange, the exchange, the network between them, and investors, in one goroutine, from one seed, in
// virtual time.
//
// Units: times are nanoseconds since 1970 of the world's clock, chances are millionths; those of core/money and
// core/trade.
//
// What is real: replica's loop, journal, applier and keeper (replica.Manual) over real files of the write-ahead log
// and of snapshots; the books (package books); the link's conversation and its outbox (package venue); the
// exchange's books (core/exchange) on a log of their own; the exchange's protocol, byte by byte. What is made up:
// the goroutines around them, the network, how long a disk takes and what of a write outlives a loss of power,
// clocks, and people.
//
// A world lives through five times. It opens: nodes elect, the desk sets up the books, the exchange's day begins. It
// has its troubles: investors trade while faults happen, of kinds and strengths that the seed drew (Mix). It heals:
// all faults end, what is down starts, what cannot start is replaced, and within healTime everybody must be served.
// It comes to rest: nothing is under way any more. Then it is judged.
//
// What is checked, all the time: one leader a term; each entry makes the same state and the same answers wherever it
// is applied, on live machines and on the shadows that make snapshots; indexes and times rise; a machine whose disk
// is sound starts; a link that was ended says nothing more, and nothing of an older session enters the exchange's
// log after a newer one was answered; no panic. At the end: the histories of all clients, account by account, are
// linearizable (porcupine, model in history.go) - reads included, which must see what was acknowledged; what was
// acknowledged is there; every order is at the exchange exactly once, with the same fills and the same end; all
// replicas are the same to the byte and add up; each account has the cash and the shares that its movements, which
// were made once each, and the exchange's trades make (audit.go); and its events, read now here and now there by
// number, came without a gap and were the same for ever after.
//
// Invariants: what happens in a world is a function of its seed - no clock, no map order, no goroutine that matters
// - which TestSameSeedSameDigest holds it to. A fault never does what no machine may survive: damaged and lost disks
// strike one node of those that there are, which is a minority, and its id is never used again; a flip in memory
// strikes one at a time too, which must be found, and never one that leads (flip.go).
//
// One world of eight has a second shard, which must not notice the first one's troubles (second.go). In one of sixteen
// one thing is wrong at a time, and somebody must be answered each second (lone.go).
//
// How to use it:
//
//	make sim                        1,000 seeds from 1, in as many processes as there are processors
//	make sim SEEDS=n FROM=m         others
//	make sim SEEDS=1 FROM=m TRACE=1 one of them, telling what happens
//	make planted                    every planted bug (core/planted): which seed finds it, and what the check saw
//
// A run ends with a table of how often each fault was drawn, happened, and took effect (effect.go); one that never did
// fails it.
//
// A seed that fails is a bug report: it is printed with what broke, the end of its trace, and the command that lives
// it again. It stays the same bug only in the same code: a change anywhere may shift what a seed draws.
//
// It never uses a socket, never waits, and never mocks: a piece that cannot be stepped from outside is changed until
// it can.
//
// Source: FoundationDB's simulation (Zhou et al., SIGMOD 2021); swarm testing (Groce et al., ISSTA 2012);
// linearizability and its locality (Herlihy and Wing, 1990); porcupine (Athalye, 2017).
package sim
