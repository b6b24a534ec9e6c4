package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the import table of the house. Each line is one package: its folder, its floor, and the packages of the
// house that it imports; after a + those that only its tests import. Imports go down: to a lower floor, never to the
// same one or up. Tests may look anywhere, as long as the table says so. ARCHITECTURE.md, "Rooms", says what each is.
//
// A line that begins with spaces goes on with the one before. The table and the code are equal both ways. Changing the
// table is an architectural act, with its reason in the commit.
const floors = `
core/must      0
core/money     0
core/digest    0
web            0
paper          0
capacity       0
waiting        0
statement      1  core/money
capacity/study 1  capacity paper
core/planted   0
core/trade     1  core/money
core/book      2  core/money core/must core/trade
core/rules     2  core/money core/must core/trade
core/ledger    3  core/digest core/money core/must core/planted core/rules core/trade
core/risk      4  core/ledger core/money core/rules core/trade
core/broker    5  core/digest core/ledger core/money core/must core/planted core/risk core/rules core/trade
core/exchange  5  core/book core/money core/must core/planted core/rules core/trade

replica        1  core/must core/planted
peer           1
szse           2  core/money core/must core/trade
auth           2  core/money core/must core/trade
records        2  core/must core/planted core/trade
relay          4  core/trade peer replica + books core/broker core/rules records
books          6  core/broker core/must core/planted core/trade records replica
venue          3  core/money core/must core/planted core/trade szse + core/broker core/exchange core/rules exchange
                  replica
feed           3  core/money core/trade szse
intake         3  auth core/trade records replica
exchange       6  core/book core/exchange core/money core/planted core/rules core/trade replica szse
api            7  auth capacity core/money core/risk core/rules core/trade feed intake records statement szse
                  waiting + core/broker replica
node           8  api auth books capacity core/broker core/money core/must core/rules core/trade exchange feed gate
                  intake peer records relay replica szse venue web
.              9  auth capacity capacity/study core/money core/planted core/trade drill drill/cable drill/contest
                  drill/disk exchange gate load node peer replica surge venue width
drill/cable    0
drill/disk     0
drill/load     0
gate           0
load           1  paper
surge          2  load
width          2  load
drill/report   1  paper
drill/contest  7  books core/money core/rules core/trade peer relay replica
drill          7  core/broker core/exchange core/money core/planted core/trade drill/cable drill/disk drill/load
                  drill/report exchange replica szse

sim            9  books core/exchange core/money core/must core/rules core/trade exchange records relay replica
                  szse venue + core/planted
test/rig       8
test/cluster   9  + test/rig
test/drill     9  + drill/report
test/house     9  + test/rig
test/kill      9  + core/broker core/exchange core/money core/trade exchange replica szse
test/runbook   9
test/screen    9  + test/rig
test/sdk       9  + test/rig
test/surge     9  + test/rig
test/width     9  + test/rig
`

// A room is one line of the table.
type room struct {
	floor   int
	imports []string
	tests   []string // imported by test files only
}

func (r room) line(name string) string {
	words := []string{name, strconv.Itoa(r.floor)}
	words = append(words, r.imports...)
	if len(r.tests) > 0 {
		words = append(append(words, "+"), r.tests...)
	}
	return strings.Join(words, " ")
}

// readFloors reads the table's text.
func readFloors(text string) (map[string]room, error) {
	rooms := map[string]room{}
	for line := range strings.Lines(strings.ReplaceAll(text, "\n ", " ")) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) < 2 {
			return nil, fmt.Errorf("%q has no floor", words[0])
		}
		floor, err := strconv.Atoi(words[1])
		if err != nil {
			return nil, fmt.Errorf("%q: the floor is not a number: %w", words[0], err)
		}
		if _, twice := rooms[words[0]]; twice {
			return nil, fmt.Errorf("%q stands twice in the table", words[0])
		}
		r := room{floor: floor, imports: words[2:]}
		if plus := slices.Index(r.imports, "+"); plus >= 0 {
			r.imports, r.tests = r.imports[:plus], r.imports[plus+1:]
		}
		slices.Sort(r.imports)
		slices.Sort(r.tests)
		rooms[words[0]] = r
	}
	return rooms, nil
}

// compareFloors says where the table and the code differ, and which imports do not go down.
func compareFloors(table, code map[string]room) []string {
	var wrong []string
	for _, name := range sortedKeys(code) {
		is, planned := code[name], table[name]
		is.floor = planned.floor
		switch _, listed := table[name]; {
		case !listed:
			wrong = append(wrong, name+" is not in the table; give it a floor: "+is.line(name))
			continue
		case is.line(name) != planned.line(name):
			wrong = append(wrong, fmt.Sprintf("the code of %s differs from the table:\n\ttable %s\n\tcode  %s",
				name, planned.line(name), is.line(name)))
		}
		for _, below := range is.imports {
			if other, listed := table[below]; listed && other.floor >= is.floor {
				wrong = append(wrong, fmt.Sprintf("%s (floor %d) imports %s (floor %d): imports go down",
					name, is.floor, below, other.floor))
			}
		}
	}
	for _, name := range sortedKeys(table) {
		if _, exists := code[name]; !exists {
			wrong = append(wrong, "the table lists "+name+", which does not exist")
		}
	}
	return wrong
}

// codeFloors reads the imports of the tree, floors unknown.
func codeFloors(t *testing.T) map[string]room {
	t.Helper()
	_, packages := goPackages(t)
	code := map[string]room{}
	for dir, files := range packages {
		var r room
		for _, f := range files {
			for _, name := range f.imports() {
				inside, ours := strings.CutPrefix(name, module+"/")
				switch {
				case !ours:
				case f.isTest():
					r.tests = append(r.tests, inside)
				default:
					r.imports = append(r.imports, inside)
				}
			}
		}
		slices.Sort(r.imports)
		r.imports = slices.Compact(r.imports)
		slices.Sort(r.tests)
		r.tests = slices.DeleteFunc(slices.Compact(r.tests), func(name string) bool {
			return name == dir || slices.Contains(r.imports, name)
		})
		code[dir] = r
	}
	return code
}

func TestFloors(t *testing.T) {
	table, err := readFloors(floors)
	if err != nil {
		t.Fatal(err)
	}
	for _, complaint := range compareFloors(table, codeFloors(t)) {
		t.Error(complaint)
	}
}

// TestFloorsSees shows each kind of difference to the comparison: a check that cannot fail is no check.
func TestFloorsSees(t *testing.T) {
	code := map[string]room{"low": {}, "mid": {imports: []string{"low"}}, "top": {imports: []string{"mid"}}}
	for _, c := range []struct{ what, table, want string }{
		{"nothing", "low 0\nmid 1 low\ntop 2 mid", ""},
		{"a room that is not listed", "low 0\nmid 1 low", "top is not in the table"},
		{"an import that is not listed", "low 0\nmid 1\ntop 2 mid", "the code of mid differs"},
		{"an import that is gone", "low 0\nmid 1 low\ntop 2 mid low", "the code of top differs"},
		{"a test's import that is gone", "low 0\nmid 1 low + top\ntop 2 mid", "the code of mid differs"},
		{"a room that is gone", "low 0\nmid 1 low\ntop 2 mid\nold 0", "the table lists old"},
		{"an import that goes up", "low 3\nmid 1 low\ntop 2 mid", "mid (floor 1) imports low (floor 3)"},
		{"an import that goes sideways", "low 0\nmid 2 low\ntop 2 mid", "top (floor 2) imports mid (floor 2)"},
	} {
		table, err := readFloors(c.table)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(compareFloors(table, code), "\n")
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: said %q, want %q", c.what, got, c.want)
		}
	}
}
