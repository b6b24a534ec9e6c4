package statement

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the font
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/signintech/gopdf"

	"evenkeel/core/money"
)

//go:embed hei.ttf.gz
var packed []byte

// font unpacks the font once.
var font = sync.OnceValues(func() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
})

// The page, in points.
const (
	width  = 595.28 // A4
	height = 841.89
	margin = 44.0
	row    = 16.0
	foot   = height - 46
)

// column of a table; w is a share of the page's width.
type column struct {
	zh, en string
	w      float64
	right  bool
}

// page draws from above to below, and begins a new page where one is full.
type page struct {
	pdf     gopdf.GoPdf
	s       *Statement
	y       float64
	pages   int
	of      int // all pages, once they are known
	columns []column
	err     error
}

// Write writes the statement. It is drawn twice: the number of pages stands on each.
func (s *Statement) Write(w io.Writer) error {
	first, err := s.draw(0)
	if err != nil {
		return err
	}
	p, err := s.draw(first.pages)
	if err != nil {
		return err
	}
	_, err = p.pdf.WriteTo(w)
	return err
}

func (s *Statement) draw(of int) (*page, error) {
	file, err := font()
	if err != nil {
		return nil, fmt.Errorf("unpack the font: %w", err)
	}
	p := &page{s: s, of: of}
	p.pdf.Start(gopdf.Config{PageSize: gopdf.Rect{W: width, H: height}})
	p.pdf.SetInfo(gopdf.PdfInfo{Title: p.say("对账单 ", "Statement ") + s.Month, Creator: "Evenkeel"})
	err = p.pdf.AddTTFFontByReaderWithOption("hei", bytes.NewReader(file), gopdf.TtfOption{
		OnGlyphNotFoundSubstitute: func(rune) rune { return '□' }})
	if err != nil {
		return nil, fmt.Errorf("read the font: %w", err)
	}
	p.begin()
	p.head()
	p.summary()
	p.positions()
	p.movements()
	p.trades()
	return p, p.err
}

func (p *page) say(chinese, english string) string {
	if p.s.Chinese {
		return chinese
	}
	return english
}

func (p *page) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}

// text writes at x, in a box of a width; what is too long for it is cut with a mark.
func (p *page) text(x, w, size float64, right, bold bool, text string) {
	p.keep(p.pdf.SetFont("hei", "", size))
	if long, err := p.pdf.MeasureTextWidth(text); err == nil && long > w {
		runes := []rune(text)
		for len(runes) > 1 && long > w {
			runes = runes[:len(runes)-1]
			long, _ = p.pdf.MeasureTextWidth(string(runes) + "…")
		}
		text = string(runes) + "…"
	}
	align := gopdf.Left
	if right {
		align = gopdf.Right
	}
	for shift := range 2 { // the font has one weight: what is bold is written twice, a hair apart
		if shift == 1 && !bold {
			break
		}
		p.pdf.SetXY(x+float64(shift)*0.3, p.y)
		p.keep(p.pdf.CellWithOption(&gopdf.Rect{W: w, H: row}, text, gopdf.CellOption{Align: align | gopdf.Middle}))
	}
}

func (p *page) rule(grey uint8) {
	p.pdf.SetLineWidth(0.5)
	p.pdf.SetStrokeColor(grey, grey, grey)
	p.pdf.Line(margin, p.y, width-margin, p.y)
}

func (p *page) begin() {
	p.pdf.AddPage()
	p.pages++
	p.pdf.SetTextColor(120, 120, 120)
	p.y = foot + 8
	left := p.say("账户 ", "Account ") + p.s.Number + " · " + p.s.Month
	p.text(margin, 300, 8, false, false, left)
	p.text(width-margin-200, 200, 8, true, false, fmt.Sprintf(p.say("第 %d 页,共 %d 页", "Page %d of %d"), p.pages, p.of))
	p.pdf.SetTextColor(20, 26, 34)
	p.y = margin
}

// room begins a new page when fewer points are left.
func (p *page) room(points float64) bool {
	if p.y+points <= foot {
		return false
	}
	p.begin()
	return true
}

func (p *page) head() {
	p.text(margin, 300, 18, false, true, p.say("月度对账单", "Monthly statement"))
	p.text(width-margin-200, 200, 11, true, false, "Evenkeel")
	p.y += 26
	until := ""
	if !p.s.Whole {
		until = p.say("(截至制单时)", " (up to now)")
	}
	for _, line := range [][2]string{
		{p.say("账户", "Account"), p.s.Number + "  " + p.s.Login},
		{p.say("月份", "Month"), p.s.Month + until},
		{p.say("制单时间", "Made"), p.s.Made + p.say("(北京时间)", " (Shanghai)")},
	} {
		p.pdf.SetTextColor(96, 104, 116)
		p.text(margin, 80, 9.5, false, false, line[0])
		p.pdf.SetTextColor(20, 26, 34)
		p.text(margin+84, 400, 9.5, false, false, line[1])
		p.y += row
	}
}

func (p *page) title(text string) {
	p.room(4 * row)
	p.y += 14
	p.text(margin, 400, 12, false, true, text)
	p.y += 20
}

func (p *page) summary() {
	p.title(p.say("资金概要(人民币元)", "Cash (CNY)"))
	v := p.s.Sums()
	rows := [][2]string{
		{p.say("期初资金", "Cash at the beginning"), Grouped(p.s.Opening)},
		{p.say("转入", "Deposits"), Grouped(v.In)}, {p.say("转出", "Withdrawals"), Grouped(-v.Out)},
		{p.say("买入成交金额", "Bought"), Grouped(-v.Bought)}, {p.say("卖出成交金额", "Sold"), Grouped(v.Sold)},
		{p.say("交易费用", "Fees"), Grouped(-v.Fees)},
		{p.say("期末资金(含冻结)", "Cash at the end, frozen included"), Grouped(p.s.Closing)},
	}
	if p.s.Equity != 0 {
		rows = append(rows, [2]string{p.say("期末总资产", "Equity at the end"), Grouped(p.s.Equity)})
	}
	for i, line := range rows {
		strong := i == 0 || i >= 6
		p.rule(225)
		p.text(margin, 300, 9.5, false, strong, line[0])
		p.text(width-margin-200, 200, 9.5, true, strong, line[1])
		p.y += row
	}
	p.rule(225)
}

// table begins a table; lines of it follow with line.
func (p *page) table(title string, columns ...column) {
	p.title(title)
	p.columns = columns
	p.header()
}

func (p *page) header() {
	cells := make([]string, len(p.columns))
	for i, c := range p.columns {
		cells[i] = p.say(c.zh, c.en)
	}
	p.pdf.SetTextColor(96, 104, 116)
	p.cells(cells)
	p.pdf.SetTextColor(20, 26, 34)
	p.rule(150)
}

func (p *page) line(cells ...string) {
	if p.room(row) {
		p.header()
	}
	p.cells(cells)
	p.rule(230)
}

func (p *page) cells(cells []string) {
	x, full := margin, width-2*margin
	for i, c := range p.columns {
		w := c.w * full
		p.text(x, w-6, 8.5, c.right, false, cells[i])
		x += w
	}
	p.y += row
}

func (p *page) none(rows int) {
	if rows == 0 {
		p.pdf.SetTextColor(120, 120, 120)
		p.text(margin, 300, 9, false, false, p.say("无", "None"))
		p.pdf.SetTextColor(20, 26, 34)
		p.y += row
	}
}

func (p *page) positions() {
	p.table(p.say("期末持仓", "Positions at the end"), column{"代码", "Code", .22, false}, column{"名称", "Name", .34, false},
		column{"数量(股)", "Shares", .2, true}, column{"成本(元)", "Cost", .24, true})
	for i := range p.s.Positions {
		v := &p.s.Positions[i]
		p.line(v.Symbol, v.Name, shares(v.Quantity), Grouped(v.Cost))
	}
	p.none(len(p.s.Positions))
}

func (p *page) movements() {
	p.table(p.say("资金转账", "Deposits and withdrawals"), column{"时间", "Time", .3, false},
		column{"备注", "Reference", .42, false}, column{"金额(元)", "Amount", .28, true})
	for i := range p.s.Movements {
		v := &p.s.Movements[i]
		p.line(v.Time, v.Reference, Grouped(v.Amount))
	}
	p.none(len(p.s.Movements))
}

func (p *page) trades() {
	p.table(p.say("成交明细", "Trades"), column{"时间", "Time", .2, false}, column{"代码", "Code", .115, false},
		column{"名称", "Name", .14, false}, column{"方向", "Side", .07, false}, column{"价格", "Price", .1, true},
		column{"数量", "Shares", .1, true}, column{"费用", "Fees", .11, true}, column{"收付金额", "Net", .165, true})
	for i := range p.s.Trades {
		v := &p.s.Trades[i]
		side := p.say("卖出", "Sell")
		if v.Buy {
			side = p.say("买入", "Buy")
		}
		p.line(v.Time, v.Symbol, v.Name, side, v.Price.String(), shares(v.Quantity), Grouped(v.Fees), Grouped(v.Net()))
	}
	p.none(len(p.s.Trades))
}

// Grouped writes an amount with commas: 1,234,567.80.
func Grouped(c money.Cash) string { return group(c.String()) }

func shares(q money.Quantity) string { return group(strconv.FormatInt(int64(q), 10)) }

func group(text string) string {
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	whole, part, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if part != "" {
		whole += "." + part
	}
	return sign + whole
}
