package intake

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"evenkeel/core/trade"
	"evenkeel/records"
)

// Errors of symbols.
var (
	// ErrSymbolUnknown: no security has this symbol.
	ErrSymbolUnknown = errors.New("unknown symbol")
	// ErrSymbolAmbiguous: a bare code that several venues have. The error names them.
	ErrSymbolAmbiguous = errors.New("ambiguous symbol")
)

// The marks of the venues in symbols: the canonical suffix first, then the ISO 10383 code, then what else is in use.
var venueMarks = []struct {
	mark  string
	venue trade.Venue
}{
	{"SH", trade.SSE}, {"XSHG", trade.SSE}, {"SS", trade.SSE}, {"SSE", trade.SSE},
	{"SZ", trade.SZSE}, {"XSHE", trade.SZSE}, {"SZSE", trade.SZSE},
	{"BJ", trade.BSE}, {"BJSE", trade.BSE}, {"XBSE", trade.BSE},
}

const codeLength = 6

// ParseSymbol reads 600000.SH, 600000.XSHG, SH600000, sh.600000 or a bare 600000 (venue 0), in any case.
func ParseSymbol(text string) (code string, venue trade.Venue, ok bool) {
	if len(text) < codeLength || len(text) > trade.MaxSymbol || !plain(text) {
		return "", 0, false
	}
	mark := ""
	switch text = strings.ToUpper(text); {
	case isCode(text):
		return text, 0, true
	case isCode(text[:codeLength]) && text[codeLength] == '.':
		code, mark = text[:codeLength], text[codeLength+1:]
	case isCode(text[len(text)-codeLength:]):
		code, mark = text[len(text)-codeLength:], strings.TrimSuffix(text[:len(text)-codeLength], ".")
	}
	for _, m := range venueMarks {
		if m.mark == mark {
			return code, m.venue, code != ""
		}
	}
	return "", 0, false
}

// plain reports whether a text is ASCII: some other letters have a capital that is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isCode(s string) bool {
	if len(s) != codeLength {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Canonical is the one form in which symbols are given out; "" for an unknown venue.
func Canonical(code string, venue trade.Venue) string {
	for _, m := range venueMarks {
		if m.venue == venue {
			return code + "." + m.mark
		}
	}
	return ""
}

// Symbols finds securities by what people call them.
type Symbols struct {
	listing *records.Listing

	mu      sync.Mutex
	changes uint64
	codes   map[string][]trade.SecurityID
}

// NewSymbols returns a finder over a listing.
func NewSymbols(l *records.Listing) *Symbols { return &Symbols{listing: l} }

// Find returns the security of a symbol in any of its forms. Errors are ErrSymbolUnknown and ErrSymbolAmbiguous.
func (s *Symbols) Find(text string) (trade.Security, error) {
	if line, ok := s.listing.Symbol(text); ok {
		return line, nil
	}
	code, venue, ok := ParseSymbol(text)
	if !ok {
		return trade.Security{}, fmt.Errorf("%w %q: give it as 600000.SH, 000001.SZ or 920000.BJ", ErrSymbolUnknown,
			clip(text))
	}
	if venue != 0 {
		if line, ok := s.listing.Symbol(Canonical(code, venue)); ok {
			return line, nil
		}
		return trade.Security{}, fmt.Errorf("%w %s", ErrSymbolUnknown, Canonical(code, venue))
	}
	ids := s.bare(code)
	if len(ids) == 0 {
		return trade.Security{}, fmt.Errorf("%w %s", ErrSymbolUnknown, code)
	}
	line, _ := s.listing.Security(ids[0])
	if len(ids) > 1 {
		other, _ := s.listing.Security(ids[1])
		return trade.Security{}, fmt.Errorf("%w %s: say %s or %s", ErrSymbolAmbiguous, code, line.Symbol, other.Symbol)
	}
	return line, nil
}

// bare returns the securities of a code at all venues.
func (s *Symbols) bare(code string) []trade.SecurityID {
	changes := s.listing.Changes()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codes == nil || s.changes != changes {
		s.codes, s.changes = map[string][]trade.SecurityID{}, changes
		for _, line := range s.listing.Securities() {
			if c, _, ok := strings.Cut(string(line.Symbol), "."); ok {
				s.codes[c] = append(s.codes[c], line.ID)
			}
		}
	}
	return s.codes[code]
}

func clip(text string) string {
	const most = 32
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
