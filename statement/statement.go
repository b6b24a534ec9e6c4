// Package statement writes the monthly statement of an account as a PDF, in Chinese or English.
//
// Amounts are money.Cash, to the cent; quantities are whole shares; times are texts that the caller made, in the
// market's clock. What the statement sums up is what it lists: the cash at the end is the cash at the beginning and
// all that is listed between, and Statement.Balanced says whether it is. It never asks for anything: who calls it has
// read the books.
//
// The font is WenQuanYi Micro Hei 0.2.0-beta (Apache License 2.0), cut down to the 6,763 characters of GB 2312, Latin
// and the marks: 0.6 MB. Each PDF holds only the characters that are in it. A character that the font lacks is
// written as a box. ISO 32000-1, 9.7 (composite fonts).
package statement

import "evenkeel/core/money"

// Limits of a statement.
const (
	MaxRows = 20_000 // trades and movements of one month together; more are refused by the caller
)

// Statement is what an account did in a month.
type Statement struct {
	Chinese bool
	Month   string // 2026-11
	Number  string // of the account
	Login   string
	Made    string // when it was asked for
	Whole   bool   // the month is over

	Opening money.Cash // available and frozen, when the month began
	Closing money.Cash // and at its end, or now
	Equity  money.Cash // cash and positions at the end; 0: not known

	Trades    []Trade
	Movements []Movement
	Positions []Position
}

// Trade is one fill.
type Trade struct {
	Time     string
	Symbol   string
	Name     string
	Buy      bool
	Price    money.Price
	Quantity money.Quantity
	Amount   money.Cash
	Fees     money.Cash
}

// Net is what the trade did to the cash.
func (t *Trade) Net() money.Cash {
	if t.Buy {
		return -t.Amount - t.Fees
	}
	return t.Amount - t.Fees
}

// Movement is cash that came or went.
type Movement struct {
	Time      string
	Amount    money.Cash
	Reference string
}

// Position is what was held at the end.
type Position struct {
	Symbol   string
	Name     string
	Quantity money.Quantity
	Cost     money.Cash
}

// Sums are what the month comes to.
type Sums struct {
	In, Out      money.Cash // deposits and withdrawals, both above zero
	Bought, Sold money.Cash // amounts without fees
	Fees         money.Cash
	Net          money.Cash // what all of it did to the cash
}

// Sums adds up what is listed.
func (s *Statement) Sums() (v Sums) {
	for i := range s.Trades {
		t := &s.Trades[i]
		if t.Buy {
			v.Bought += t.Amount
		} else {
			v.Sold += t.Amount
		}
		v.Fees += t.Fees
		v.Net += t.Net()
	}
	for i := range s.Movements {
		if a := s.Movements[i].Amount; a > 0 {
			v.In += a
		} else {
			v.Out -= a
		}
		v.Net += s.Movements[i].Amount
	}
	return v
}

// Balanced reports whether the cash at the end is that of the beginning and all that is listed.
func (s *Statement) Balanced() bool { return s.Opening+s.Sums().Net == s.Closing }
