package rules

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a text of rules.
const (
	MaxText = 1 << 18 // bytes
	MaxRows = 500     // rows of one table

	maxLine      = 400 // bytes
	mostSessions = 48  // of a venue on one day
)

// Error says what is wrong in a text of rules.
type Error struct {
	Line   int    // from 1; 0 when the text as a whole is wrong
	Column string // name of the column; empty when the line as a whole is wrong
	Value  string // what was written
	Want   string // what is allowed, or what is wrong
}

func (e *Error) Error() string {
	s := "market rules"
	if e.Line > 0 {
		s += fmt.Sprintf(", line %d", e.Line)
	}
	if e.Column != "" {
		s += ", column " + e.Column
	}
	s += ": "
	if e.Value != "" || e.Column != "" {
		s += fmt.Sprintf("%q: ", clip(e.Value))
	}
	return s + e.Want
}

// Parse reads a text of tables. The error, if any, is an *Error that names line, column, value and what is allowed.
// Nothing is guessed: an unknown table, column or word, a row that overlaps another, a gap in a venue's sessions, an
// impossible date and a number in another form than String prints it are all refused.
func Parse(text string) (*Rules, error) {
	if len(text) > MaxText {
		return nil, &Error{Want: fmt.Sprintf("the text has %d bytes, at most %d are read", len(text), MaxText)}
	}
	r := &Rules{}
	p := parser{rules: r, table: complete}
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		p.line++
		if err := p.read(line); err != nil {
			return nil, err
		}
	}
	if p.header {
		return nil, &Error{Line: p.line, Want: "the text ends before the column names of table " + schemas[p.table].name}
	}
	if err := r.check(p.seen); err != nil {
		return nil, err
	}
	return r, nil
}

// String prints the tables as Parse reads them, without comments and empty lines, with one space between words. What
// Parse accepts is printed word for word.
func (r *Rules) String() string {
	var b []byte
	for _, id := range r.order {
		b = append(b, "table "...)
		b = append(b, schemas[id].name...)
		b = append(b, '\n')
		b = append(b, strings.Join(schemas[id].header(), " ")...)
		b = append(b, '\n')
		for i := range r.tables[id] {
			b = r.tables[id][i].append(b, &schemas[id])
			b = append(b, '\n')
		}
	}
	return string(b)
}

// parser reads line by line.
type parser struct {
	rules  *Rules
	line   int
	table  tableID
	header bool // the next line names the columns
	seen   [tableCount]bool
}

func (p *parser) fail(column, value, want string) error {
	return &Error{Line: p.line, Column: column, Value: value, Want: want}
}

func (p *parser) read(line string) error {
	line = strings.TrimSuffix(line, "\r")
	if len(line) > maxLine {
		return p.fail("", "", fmt.Sprintf("the line has %d bytes, at most %d are read", len(line), maxLine))
	}
	if !utf8.ValidString(line) {
		return p.fail("", line, "the line is not UTF-8")
	}
	for i := range len(line) {
		if line[i] < ' ' && line[i] != '\t' || line[i] == 0x7f {
			return p.fail("", "", fmt.Sprintf("control character %#02x; only tabs and spaces may stand between words", line[i]))
		}
	}
	if comment := strings.IndexByte(line, '#'); comment >= 0 {
		line = line[:comment]
	}
	fields := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
	switch {
	case len(fields) == 0:
		return nil
	case fields[0] == "table":
		return p.begin(fields)
	case p.table == complete:
		return p.fail("", fields[0], "rows come after a line \"table NAME\" and a line with its column names")
	case p.header:
		return p.names(fields)
	}
	return p.row(fields)
}

func (p *parser) begin(fields []string) error {
	if p.header {
		return p.fail("", fields[0], "the column names of table "+schemas[p.table].name+" come first")
	}
	if len(fields) != 2 {
		return p.fail("", strings.Join(fields, " "), "want \"table NAME\"")
	}
	for id := range schemas {
		if schemas[id].name != fields[1] {
			continue
		}
		if p.seen[id] {
			return p.fail("", fields[1], "this table was written above; a table stands in one place")
		}
		p.table, p.header, p.seen[id] = tableID(id), true, true
		p.rules.order = append(p.rules.order, tableID(id))
		return nil
	}
	names := make([]string, 0, tableCount)
	for id := range schemas {
		names = append(names, schemas[id].name)
	}
	return p.fail("", fields[1], "want a table named "+strings.Join(names, ", "))
}

func (p *parser) names(fields []string) error {
	want := strings.Join(schemas[p.table].header(), " ")
	if got := strings.Join(fields, " "); got != want {
		return p.fail("", got, "want the column names \""+want+"\"")
	}
	p.header = false
	return nil
}

func (p *parser) row(fields []string) error {
	s := &schemas[p.table]
	last := len(s.columns) // the place of mark; the source is the rest of the line
	if len(fields) < last+2 {
		return p.fail("", strings.Join(fields, " "), fmt.Sprintf("a row of table %s has %d columns (%s), this has %d",
			s.name, last+2, strings.Join(s.header(), " "), len(fields)))
	}
	if len(p.rules.tables[p.table]) == MaxRows {
		return p.fail("", "", fmt.Sprintf("table %s has more than %d rows", s.name, MaxRows))
	}
	r := row{line: p.line, source: strings.Join(fields[last+1:], " ")}
	for i := range s.columns {
		v, want := s.columns[i].parse(fields[i])
		if want != "" {
			return p.fail(s.columns[i].name, fields[i], want)
		}
		r.cells[i] = v
	}
	mark, want := marks.parse(fields[last])
	if want != "" {
		return p.fail("mark", fields[last], want)
	}
	r.mark = mark
	if err := p.sound(&r, fields); err != nil {
		return err
	}
	p.rules.tables[p.table] = append(p.rules.tables[p.table], r)
	return nil
}

// sound refuses a row that contradicts itself or a row above.
func (p *parser) sound(r *row, fields []string) error {
	s, c := &schemas[p.table], &r.cells
	if c[s.to] != absent && c[s.to] < c[s.from] {
		return p.fail("to", fields[s.to], "want a day on or after "+fields[s.from]+", or open")
	}
	if column, want := contradiction(p.table, c); want != "" {
		return p.fail(s.columns[column].name, fields[column], want)
	}
	if s.venue != absent && s.board != absent {
		if name := stray(c[s.venue], c[s.board]); name != "" {
			return p.fail("board", fields[s.board], name+" has no partner in this row: SSE has "+
				"Main, STAR and ETF, SZSE has Main, ChiNext and ETF, BSE has BSE")
		}
	}
	for i := range p.rules.tables[p.table] {
		other := &p.rules.tables[p.table][i]
		if s.clash(c, &other.cells) {
			return p.fail("", strings.Join(fields, " "), fmt.Sprintf(
				"this row and line %d both hold from %s; end one of them on the day before the other begins",
				other.line, dayText(max(c[s.from], other.cells[s.from]))))
		}
	}
	return nil
}

// header returns the names of all columns of a table.
func (s *schema) header() []string {
	names := make([]string, 0, maxColumns+2)
	for i := range s.columns {
		names = append(names, s.columns[i].name)
	}
	return append(names, "mark", "source")
}

func (r *row) append(b []byte, s *schema) []byte {
	b = append(r.columns(b, s), ' ')
	b = append(b, markWords[r.mark]...)
	b = append(b, ' ')
	return append(b, r.source...)
}

// columns appends the values of a row, without mark and source.
func (r *row) columns(b []byte, s *schema) []byte {
	for i := range s.columns {
		if i > 0 {
			b = append(b, ' ')
		}
		b = s.columns[i].append(b, r.cells[i])
	}
	return b
}

func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
