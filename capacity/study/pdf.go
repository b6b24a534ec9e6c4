package study

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// A sheet is A4, in points; the text is Helvetica, which every reader has.
const (
	sheetWide = 595.0
	sheetHigh = 842.0
	margin    = 40.0
	textSize  = 9.0
	lineHigh  = 12.5
)

// pdf writes sheets from above to below. It knows as much of the format as a report needs.
type pdf struct {
	pages []bytes.Buffer
	y     float64 // from above
}

func (p *pdf) page() *bytes.Buffer {
	if len(p.pages) == 0 || p.y > sheetHigh-margin {
		p.pages = append(p.pages, bytes.Buffer{})
		p.y = margin
	}
	return &p.pages[len(p.pages)-1]
}

// room begins a new sheet when so much is not left.
func (p *pdf) room(high float64) {
	if p.y+high > sheetHigh-margin {
		p.y = sheetHigh
	}
	p.page()
}

// plain is text as the fonts' encoding has it; what it has not becomes a question mark.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '(' || r == ')' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r >= 0xa0 && r <= 0xff:
			fmt.Fprintf(&b, `\%03o`, r)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// put writes a text at a place; font 1 is upright, 2 bold, 3 of fixed width.
func (p *pdf) put(x, y float64, font int, size float64, text string) {
	fmt.Fprintf(p.page(), "BT /F%d %.1f Tf %.1f %.1f Td (%s) Tj ET\n", font, size, x, sheetHigh-y, plain(text))
}

// paragraph writes lines, broken between words.
func (p *pdf) paragraph(font int, size float64, text string) {
	most := int((sheetWide - 2*margin) / (size * 0.5))
	if font == 3 {
		most = int((sheetWide - 2*margin) / (size * 0.6))
	}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		for len(line) > most {
			at := strings.LastIndexByte(line[:most], ' ')
			if at <= 0 {
				at = most
			}
			p.line(font, size, line[:at])
			line = "  " + strings.TrimLeft(line[at:], " ")
		}
		p.line(font, size, line)
	}
	p.y += size / 2
}

func (p *pdf) line(font int, size float64, text string) {
	p.room(size * 1.4)
	p.put(margin, p.y+size, font, size, text)
	p.y += size * 1.4
}

// place is a chart's place on the sheet.
type place struct {
	*pdf
	top float64
}

func (c place) line(x, y []float64, k colour, dashed bool) {
	b := c.page()
	rgb := colours[k]
	dash := "[] 0 d"
	if dashed {
		dash = "[4 3] 0 d"
	}
	wide := 1.3
	if k == soft {
		wide = 0.4
	}
	fmt.Fprintf(b, "%.2f %.2f %.2f RG %.1f w %s\n", rgb[0], rgb[1], rgb[2], wide, dash)
	for i := range x {
		fmt.Fprintf(b, "%.1f %.1f %s\n", margin+x[i], sheetHigh-c.top-y[i], map[bool]string{true: "m", false: "l"}[i == 0])
	}
	b.WriteString("S\n")
}

func (c place) dot(x, y float64, k colour) {
	rgb := colours[k]
	fmt.Fprintf(c.page(), "%.2f %.2f %.2f rg %.1f %.1f 4 4 re f 0 g\n", rgb[0], rgb[1], rgb[2], margin+x-2, sheetHigh-c.top-y-2)
}

func (c place) text(x, y float64, text string, anchor float64) {
	c.put(margin+x-anchor*float64(len(text))*8*0.5, c.top+y, 1, 8, text)
}

func (p *pdf) chart(c *chart) {
	const high = chartTop + chartHigh + chartFoot + 10
	p.room(high)
	c.draw(place{p, p.y})
	p.y += high
}

// write writes the file: objects, where each begins, and the trailer.
func (p *pdf) write(out io.Writer) error {
	p.page()
	var b bytes.Buffer
	var begins []int
	object := func(format string, args ...any) {
		begins = append(begins, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n", len(begins))
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\nendobj\n")
	}
	b.WriteString("%PDF-1.4\n")
	const fonts = 3 // objects 3 to 5; a page and its content are two each
	var kids []string
	for i := range p.pages {
		kids = append(kids, fmt.Sprintf("%d 0 R", 3+fonts+2*i))
	}
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Kids [%s] /Count %d >>", strings.Join(kids, " "), len(kids))
	for _, name := range [fonts]string{"Helvetica", "Helvetica-Bold", "Courier"} {
		object("<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>", name)
	}
	for i := range p.pages {
		object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %.0f %.0f] /Contents %d 0 R "+
			"/Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R >> >> >>", sheetWide, sheetHigh, 4+fonts+2*i)
		object("<< /Length %d >>\nstream\n%sendstream", p.pages[i].Len(), p.pages[i].String())
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(begins)+1)
	for _, at := range begins {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(begins)+1, table)
	_, err := out.Write(b.Bytes())
	return err
}
