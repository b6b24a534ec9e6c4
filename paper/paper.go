// Package paper is the frame of the pages that commands write beside their tables: the head and the look, so that a
// page needs nothing but itself and all of them are of one kind.
package paper

import (
	_ "embed"
	"html/template"
)

//go:embed head.html
var head string

// New parses a page. It begins with {{template "head" "TITLE"}}, then may have a style of its own, and closes the head
// itself. A page that does not parse panics: it is part of the binary.
func New(text string, functions template.FuncMap) *template.Template {
	return template.Must(template.Must(template.New("page").Funcs(functions).Parse(head)).Parse(text))
}
