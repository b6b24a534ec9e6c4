// breaks: nothing

package checked

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"evenkeel/core/money"
)

var errEmpty = errors.New("empty")

var table = [...]int{1, 2, 3}

type state struct{ byName map[string]int }

func (s *state) sum(names []string) (total int, err error) {
	for _, name := range names {
		total += s.byName[name]
	}
	for i := range table {
		total += table[i]
	}
	s.byName["total"] = total
	if len(names) == 0 || total > math.MaxInt32 {
		return 0, fmt.Errorf("sum of %q at %v: %w", names, money.Price(total), errEmpty)
	}
	slices.Sort(names)
	return int(money.Quantity(total)), nil
}
