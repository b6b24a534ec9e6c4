package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Limits of form. What outgrows them asks for a room of its own.
const (
	mostLines   = 600 // in a Go file that is not a test
	mostColumns = 119 // characters in a line of Go
)

// longText is a text that is searched for as a whole; a line that holds one may pass mostColumns.
var longText = regexp.MustCompile("\"[^\"]{40,}\"|`[^`]{40,}`")

// longFiles may pass mostLines, each for its reason.
var longFiles = map[string]string{}

// proseKinds are read for words that do not belong in the project.
var proseKinds = []string{
	"", ".go", ".mod", ".md", ".txt", ".sh", ".sql", ".yml", ".yaml", ".json", ".js", ".mjs", ".ts", ".tsx",
}

// forbidden words, each with its reason. The patterns are written so that they do not match themselves.
var forbidden = []struct {
	pattern *regexp.Regexp
	why     string
	allowed func(name string) bool
}{
	{regexp.MustCompile(`(^|[\s"'=(` + "`" + `])/(work|root|farm)/`), "a path of one machine", never},
	{regexp.MustCompile(`(^|[\s"'=(` + "`" + `])/(tmp|home)/`), "a path of one machine", isGoTest},
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "work that is left is an issue, not a comment", never},
	{regexp.MustCompile(`"resolved":\s*"http`), "a lock file that names a registry, see .npmrc beside it", never},
}

func never(string) bool { return false }

func isGoTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// untidy lists what is wrong with the form of one file.
func untidy(name string, text []byte) []string {
	var wrong []string
	lines := bytes.Split(text, []byte("\n"))
	if path.Ext(name) == ".go" {
		if formatted, err := format.Source(text); err != nil || !bytes.Equal(formatted, text) {
			wrong = append(wrong, name+": not gofmt-ed")
		}
		if len(lines)-1 > mostLines && !isGoTest(name) && longFiles[name] == "" {
			wrong = append(wrong, fmt.Sprintf("%s: %d lines, more than %d", name, len(lines)-1, mostLines))
		}
		for i, line := range lines {
			if width := utf8.RuneCount(line); width > mostColumns && !longText.Match(line) {
				wrong = append(wrong, fmt.Sprintf("%s:%d: %d columns, more than %d", name, i+1, width, mostColumns))
			}
		}
	}
	for _, rule := range forbidden {
		if rule.allowed(name) {
			continue
		}
		for i, line := range lines {
			if found := rule.pattern.Find(line); found != nil {
				wrong = append(wrong, fmt.Sprintf("%s:%d: %q: %s", name, i+1, found, rule.why))
			}
		}
	}
	return wrong
}

func TestTidyFiles(t *testing.T) {
	for _, name := range treeFiles(t) {
		if !slices.Contains(proseKinds, path.Ext(name)) || strings.Contains(name, "testdata/") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, complaint := range untidy(name, text) {
			t.Error(complaint)
		}
	}
	for name := range longFiles {
		if text, err := os.ReadFile(name); err != nil || bytes.Count(text, []byte("\n")) <= mostLines {
			t.Errorf("%s no longer needs to stand in longFiles", name)
		}
	}
}

func TestTidySees(t *testing.T) {
	long := "package a\n\n// " + strings.Repeat("x", 120) + "\n"
	for _, c := range []struct{ what, name, text, want string }{
		{"a clean file", "a.go", "package a\n\nvar b = 1\n", ""},
		{"form", "a.go", "package a\nvar  b = 1\n", "not gofmt-ed"},
		{"length", "a.go", "package a\n" + strings.Repeat("\n// b\n", 301), "lines, more than"},
		{"length of a test", "a_test.go", "package a\n" + strings.Repeat("\n// b\n", 301), ""},
		{"width", "a.go", long, "a.go:3: 123 columns"},
		{"width of a long text", "a.go", "package a\n\nvar b = \"" + strings.Repeat("x", 120) + "\"\n", ""},
		{"machine path", "a.md", "see /wo" + "rk/main\n", "a path of one machine"},
		{"temporary path", "a.sh", "cat '/tm" + "p/x'\n", "a path of one machine"},
		{"temporary path in a test", "a_test.go", "package a\n\nvar b = \"/tm" + "p/x\"\n", ""},
		{"left work", "a.go", "package a // TO" + "DO more\n", "work that is left"},
		{"registry", "package-lock.json", `"resolved"` + `: "https://registry.example/x.tgz"`, "names a registry"},
	} {
		got := strings.Join(untidy(c.name, []byte(c.text)), "\n")
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: said %q, want %q", c.what, got, c.want)
		}
	}
}

func TestTidyPackageComments(t *testing.T) {
	_, packages := goPackages(t)
	for _, dir := range sortedKeys(packages) {
		said := false
		for _, f := range packages[dir] {
			said = said || f.syntax.Doc != nil && len(f.syntax.Doc.Text()) > 40
		}
		if !said {
			t.Errorf("%s has no package comment: what it is, units, invariants, what it never does, source", dir)
		}
	}
}

func TestTidyFrontPages(t *testing.T) {
	for _, page := range []struct {
		name  string
		words []string
	}{
		{"README.md", []string{"`make run`", "`make test`"}},
		{"README.zh.md", []string{"`make run`", "`make test`"}},
		{"CHANGELOG.md", []string{"\n## Unreleased\n"}},
		{"LICENSE", []string{"Apache License", "Version 2.0"}},
		{".ci/run", []string{"\nmake test\n"}},
	} {
		text, err := os.ReadFile(page.name)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, word := range page.words {
			if !bytes.Contains(text, []byte(word)) {
				t.Errorf("%s does not say %q", page.name, word)
			}
		}
	}
}

// A law is one line of docs/laws.txt: rule | source | place | yes, partial or no.
type law struct {
	line  int
	rule  string
	place string // file:symbol, - when the answer is no
}

// readLaws reads docs/laws.txt; complaints are about its form.
func readLaws(text string) (laws []law, wrong []string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "|")
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		switch {
		case len(fields) != 4 || slices.Contains(fields, ""):
			wrong = append(wrong, fmt.Sprintf("line %d: want rule | source | place | answer", number))
		case !slices.Contains([]string{"yes", "partial", "no"}, fields[3]):
			wrong = append(wrong, fmt.Sprintf("line %d: the answer %q is not yes, partial or no", number, fields[3]))
		case (fields[2] == "-") != (fields[3] == "no"):
			wrong = append(wrong, fmt.Sprintf("line %d: a place is due unless the answer is no, and only then", number))
		default:
			laws = append(laws, law{number, fields[0], fields[2]})
		}
	}
	return laws, wrong
}

// TestTidyLaws holds docs/laws.txt to the code: each place is a file that exists and a symbol that it declares, or, in
// a file that is not Go, a text that it holds.
func TestTidyLaws(t *testing.T) {
	text, err := os.ReadFile("docs/laws.txt")
	if err != nil {
		t.Fatal(err)
	}
	laws, wrong := readLaws(string(text))
	for _, complaint := range wrong {
		t.Error("docs/laws.txt: " + complaint)
	}
	if len(laws) < 30 {
		t.Errorf("docs/laws.txt holds %d laws, which cannot be all", len(laws))
	}
	declared := map[string]map[string]bool{}
	_, packages := goPackages(t)
	for _, files := range packages {
		for _, f := range files {
			declared[f.path] = symbols(f.syntax)
		}
	}
	for _, l := range laws {
		if l.place == "-" {
			continue
		}
		for place := range strings.SplitSeq(l.place, ",") {
			name, symbol, _ := strings.Cut(strings.TrimSpace(place), ":")
			content, err := os.ReadFile(name)
			switch {
			case err != nil:
				t.Errorf("docs/laws.txt line %d (%s): %v", l.line, l.rule, err)
			case symbol == "":
				t.Errorf("docs/laws.txt line %d (%s): %s names no symbol", l.line, l.rule, name)
			case declared[name] != nil && !declared[name][symbol],
				declared[name] == nil && !bytes.Contains(content, []byte(symbol)):
				t.Errorf("docs/laws.txt line %d (%s): %s has no %s", l.line, l.rule, name, symbol)
			}
		}
	}
}

func TestTidyLawsSees(t *testing.T) {
	for _, c := range []struct{ what, text, want string }{
		{"a good line", "# comment\n\nticks | rules | a.go:B | yes\n", ""},
		{"a law not obeyed", "ticks | rules | - | no\n", ""},
		{"a missing field", "ticks | rules | yes\n", "line 1: want"},
		{"an empty field", "ticks | | a.go:B | yes\n", "line 1: want"},
		{"another answer", "ticks | rules | a.go:B | maybe\n", "line 1: the answer"},
		{"no place", "ticks | rules | - | partial\n", "line 1: a place"},
	} {
		_, wrong := readLaws(c.text)
		if got := strings.Join(wrong, "\n"); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: said %q, want %q", c.what, got, c.want)
		}
	}
}

// symbols lists what a file declares at its top: names, and methods as Type.Method.
func symbols(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
			names[name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					names[s.Name.Name] = true
				case *ast.ValueSpec:
					for _, name := range s.Names {
						names[name.Name] = true
					}
				}
			}
		}
	}
	return names
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
