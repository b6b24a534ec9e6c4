package api

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/mozillazg/go-pinyin"

	"evenkeel/core/trade"
	"evenkeel/records"
)

// longestSearch bounds a text that is looked for, in bytes.
const longestSearch = 64

// finder finds securities by what an investor types: a code, a part of a name, the initials of its pinyin in any
// reading of its characters (长 is c and z), or its pinyin in full. What it looks through is made anew when the list
// has changed.
type finder struct {
	mu      sync.Mutex
	changes uint64
	made    bool
	rows    []sought
}

// sought is a security as it is looked for: all in capitals.
type sought struct {
	line     trade.Security
	code     string
	symbol   string
	name     string
	initials string   // as the exchange writes them
	readings []string // of each character of the name, the initials that it may have
	full     string   // pinyin, by the commonest readings
}

// Ranks of a match, the likeliest first.
const (
	exactCode = iota
	startOfCode
	exactName
	exactInitials
	startOfName
	startOfInitials
	startOfReading
	startOfPinyin
	partOfName
	partOfCode
	partOfInitials
	noMatch
)

func (f *finder) look(l *records.Listing) []sought {
	f.mu.Lock()
	defer f.mu.Unlock()
	if changes := l.Changes(); !f.made || changes != f.changes {
		f.made, f.changes = true, changes
		lines := l.Securities()
		same := len(lines) == len(f.rows)
		for i := range lines {
			same = same && lines[i].ID == f.rows[i].line.ID && string(lines[i].Symbol) == f.rows[i].symbol &&
				strings.EqualFold(string(lines[i].Name), f.rows[i].name)
		}
		rows := make([]sought, len(lines))
		for i := range lines {
			if same { // most changes are those of a phase, or of a day
				rows[i] = f.rows[i]
				rows[i].line = lines[i]
			} else {
				rows[i] = findableOf(&lines[i])
			}
		}
		f.rows = rows
	}
	return f.rows
}

func findableOf(line *trade.Security) sought {
	symbol := strings.ToUpper(string(line.Symbol))
	code, _, _ := strings.Cut(symbol, ".")
	v := sought{line: *line, code: code, symbol: symbol, name: strings.ToUpper(string(line.Name)),
		initials: strings.ToUpper(string(line.Pinyin))}
	args := pinyin.NewArgs()
	args.Heteronym = true
	var full strings.Builder
	for _, r := range v.name {
		if r < 0x80 {
			if r != ' ' && r != '*' {
				v.readings = append(v.readings, string(r))
				full.WriteRune(r)
			}
			continue
		}
		var letters string
		for i, sound := range pinyin.SinglePinyin(r, args) {
			if first := strings.ToUpper(sound[:1]); !strings.Contains(letters, first) {
				letters += first
			}
			if i == 0 {
				full.WriteString(strings.ToUpper(sound))
			}
		}
		if letters != "" {
			v.readings = append(v.readings, letters)
		}
	}
	v.full = full.String()
	return v
}

// reads reports whether letters are the first of a name's initials, in some reading.
func (v *sought) reads(letters string) bool {
	if len(letters) > len(v.readings) {
		return false
	}
	for i := range len(letters) {
		if strings.IndexByte(v.readings[i], letters[i]) < 0 {
			return false
		}
	}
	return true
}

// rank is how likely a security is meant by a text.
func (v *sought) rank(text string) int {
	digit := text[0] >= '0' && text[0] <= '9'
	switch {
	case v.code == text || v.symbol == text:
		return exactCode
	case digit && strings.HasPrefix(v.symbol, text):
		return startOfCode
	case v.name == text:
		return exactName
	case v.initials == text:
		return exactInitials
	case strings.HasPrefix(v.name, text):
		return startOfName
	case v.initials != "" && strings.HasPrefix(v.initials, text):
		return startOfInitials
	case v.reads(text):
		return startOfReading
	case strings.HasPrefix(v.full, text):
		return startOfPinyin
	case strings.Contains(v.name, text):
		return partOfName
	case digit && strings.Contains(v.code, text):
		return partOfCode
	case len(text) > 1 && strings.Contains(v.initials, text):
		return partOfInitials
	}
	return noMatch
}

// find returns at most limit securities that are meant by a text, the likeliest first.
func (f *finder) find(l *records.Listing, text string, limit int) []trade.Security {
	text = strings.ToUpper(strings.TrimSpace(text))
	if text == "" {
		return nil
	}
	rows := f.look(l)
	var found [noMatch][]*sought
	for i := range rows {
		if rows[i].line.ID == 0 {
			continue
		}
		if rank := rows[i].rank(text); rank < noMatch {
			found[rank] = append(found[rank], &rows[i])
		}
	}
	var lines []trade.Security
	for _, same := range found {
		if len(lines) >= limit {
			break
		}
		slices.SortFunc(same, func(a, b *sought) int {
			return cmp.Or(cmp.Compare(len(a.name), len(b.name)), strings.Compare(a.symbol, b.symbol))
		})
		for _, v := range same[:min(len(same), limit-len(lines))] {
			lines = append(lines, v.line)
		}
	}
	return lines
}
