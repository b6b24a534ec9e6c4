package venue

import (
	"slices"
	"time"
)

// unanswered knows how long the outbox's oldest request has waited for the exchange, without a time for each: those
// that entered within a moment are one lot.
type unanswered struct {
	lots   []lot  // oldest first
	newest uint64 // the last position that is in a lot
}

// lot are the requests up to a position, of which the first was seen at a time.
type lot struct {
	through uint64
	since   time.Time
}

// lotTime is how long a lot takes in what comes, and by how much too long its later requests are said to wait.
// mostLots is how many there are: if the exchange has answered nothing for so many, the last takes in all that comes.
const (
	lotTime  = 100 * time.Millisecond
	mostLots = 600
)

// note takes in what entered the outbox, and forgets what was answered.
func (u *unanswered) note(now time.Time, oldest, newest uint64) {
	answered := 0
	for answered < len(u.lots) && u.lots[answered].through < oldest {
		answered++
	}
	u.lots = slices.Delete(u.lots, 0, answered)
	if newest <= u.newest {
		return
	}
	u.newest = newest
	if oldest > newest { // it was answered before it was seen here
		return
	}
	if n := len(u.lots); n > 0 && (n == mostLots || now.Sub(u.lots[n-1].since) < lotTime) {
		u.lots[n-1].through = newest
		return
	}
	u.lots = append(u.lots, lot{newest, now})
}

// longest is how long the oldest request that waits has been seen to wait in this session; 0 when none does.
func (u *unanswered) longest(now time.Time, oldest uint64) time.Duration {
	for _, l := range u.lots {
		if l.through >= oldest {
			return max(0, now.Sub(l.since))
		}
	}
	return 0
}
