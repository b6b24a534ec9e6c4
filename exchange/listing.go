package exchange

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

//go:embed securities.csv
var shippedList string

// MaxListed bounds a list of securities.
const MaxListed = 10_000

// Listed is one line of a list of securities.
type Listed struct {
	core.ListSecurity
	Pinyin string
	Weight int // share of the order flow, 1 to 10
}

// ShippedList is the list that the simulated market has by default.
func ShippedList() ([]Listed, error) { return ReadList(strings.NewReader(shippedList)) }

var (
	venueWords = map[string]trade.Venue{"SSE": trade.SSE, "SZSE": trade.SZSE, "BSE": trade.BSE}
	boardWords = map[string]trade.Board{"MAIN": trade.Main, "CHINEXT": trade.ChiNext, "STAR": trade.STAR,
		"BSE": trade.BSEMain, "ETF": trade.ETF}
	conditionWords = map[string]trade.Condition{"NORMAL": trade.Normal, "SPECIAL_TREATMENT": trade.SpecialTreatment,
		"DELISTING_RISK": trade.DelistingRisk, "NEW_LISTING": trade.NewListing, "SUSPENDED": trade.Suspended}
	sideWords   = map[string]trade.Side{"B": trade.Buy, "S": trade.Sell}
	answerWords = map[string]bool{"yes": true, "no": false}
)

// ReadList reads a list of securities: CSV as securities.csv describes itself. Errors name the line, the column and
// what is allowed.
func ReadList(r io.Reader) ([]Listed, error) {
	rows := csv.NewReader(r)
	rows.Comment, rows.FieldsPerRecord, rows.TrimLeadingSpace = '#', 10, true
	var list []Listed
	seen := map[core.Code]bool{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the list of securities: %w", err)
		}
		line, _ := rows.FieldPos(0)
		one, err := readListed(row)
		if err == nil && seen[one.Code] {
			err = fmt.Errorf("code %q stands twice", row[0])
		}
		if err == nil && len(list) == MaxListed {
			err = fmt.Errorf("more than %d securities", MaxListed)
		}
		if err != nil {
			return nil, fmt.Errorf("list of securities, line %d: %w", line, err)
		}
		seen[one.Code] = true
		list = append(list, one)
	}
}

func readListed(row []string) (l Listed, err error) {
	var ok bool
	if l.Code, ok = core.MakeCode(row[0]); !ok {
		return l, fmt.Errorf("code %q: 1 to 8 characters", row[0])
	}
	if l.Venue, err = word("venue", row[1], venueWords); err != nil {
		return l, err
	}
	if l.Board, err = word("board", row[2], boardWords); err != nil {
		return l, err
	}
	if l.Condition, err = word("condition", row[3], conditionWords); err != nil {
		return l, err
	}
	if l.Name = row[4]; len(l.Name) == 0 || len(l.Name) > trade.MaxName {
		return l, fmt.Errorf("name %q: 1 to %d bytes", row[4], trade.MaxName)
	}
	if l.Pinyin = row[5]; len(l.Pinyin) > 8 {
		return l, fmt.Errorf("pinyin %q: at most 8 letters", row[5])
	}
	if l.PreviousClose, err = money.ParsePrice(row[6]); err != nil || l.PreviousClose <= 0 {
		return l, fmt.Errorf("previous close %q: a price above 0", row[6])
	}
	days, err := strconv.ParseInt(row[7], 10, 32)
	if err != nil || days < 1 {
		return l, fmt.Errorf("trading days since listing %q: 1 or more", row[7])
	}
	l.ListedDay = int32(days)
	same, err := word("same day sale", row[8], answerWords)
	if err != nil {
		return l, err
	}
	if same {
		l.Flags |= core.SameDaySale
	}
	if l.Weight, err = strconv.Atoi(row[9]); err != nil || l.Weight < 1 || l.Weight > 10 {
		return l, fmt.Errorf("weight %q: 1 to 10", row[9])
	}
	return l, nil
}

func word[T any](what, given string, words map[string]T) (T, error) {
	if v, ok := words[given]; ok {
		return v, nil
	}
	known := make([]string, 0, len(words))
	for w := range words {
		known = append(known, w)
	}
	slices.Sort(known)
	var none T
	return none, fmt.Errorf("%s %q: one of %s", what, given, strings.Join(known, ", "))
}
