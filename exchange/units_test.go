package exchange

import (
	"fmt"
	"slices"
	"testing"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		name, pbu string
		n         int
		want      []string // nil: refused
	}{
		{"EVENKEEL-BROKER", "EK0001", 1, []string{"EVENKEEL-BROKER EK0001"}},
		{"BROKER", "EK0009", 3, []string{"BROKER EK0009", "BROKER-2 EK0010", "BROKER-3 EK0011"}},
		{"A", "X9", 1, []string{"A X9"}},
		{"A", "nodigits", 1, []string{"A nodigits"}}, // whether it is one of six characters the gateway says
		{"A", "98", 2, []string{"A 98", "A-2 99"}},
		{"A", "98", 3, nil},
		{"A", "ABC", 2, nil},
		{"A", "EK0001", 0, nil},
		{"A", "EK0001", MaxSessions + 1, nil},
		{"ABCDEFGHIJKLMNOPQRS", "EK0001", 2, nil},
	} {
		list, err := Units(c.name, c.pbu, "secret", c.n)
		var got []string
		for _, u := range list {
			got = append(got, fmt.Sprint(u.CompID, " ", u.PBU))
			if u.Password != "secret" {
				t.Errorf("%s has another password", u.CompID)
			}
		}
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
			t.Errorf("%d of %s %s: %q, %v; want %q", c.n, c.name, c.pbu, got, err, c.want)
		}
	}
}
