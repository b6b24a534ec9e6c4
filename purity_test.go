package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// core/ is pure: the same entries give the same state and the same bytes out, on every replica, for ever. TestPurity
// holds its code (not its tests) to what that takes, with the type checker: a map that hides behind a name or a type
// parameter is still a map. Each rule below has a snippet in testdata/purity that only this rule catches.

// pureImports are the packages that core/ may import beside core/ itself. The value lists the only names that may be
// used of it; nil allows all. Whatever reaches a clock, a random source, another goroutine or a device is not here.
var pureImports = map[string][]string{
	"bytes":                 nil,
	"cmp":                   nil,
	"crypto/sha256":         nil,
	"crypto/subtle":         nil,
	"embed":                 nil, // the shipped rule tables
	"encoding/binary":       nil,
	"encoding/hex":          nil,
	"errors":                nil,
	"fmt":                   {"Errorf", "Sprintf"}, // of texts and numbers, see prints
	"github.com/zeebo/xxh3": nil,
	// A snapshot is a stream that the caller opens.
	"io":   {"EOF", "ErrUnexpectedEOF", "ReadFull", "Reader", "Writer"},
	"iter": nil,
	"math": {
		"MaxInt", "MaxInt8", "MaxInt16", "MaxInt32", "MaxInt64", "MinInt", "MinInt8", "MinInt16", "MinInt32", "MinInt64",
		"MaxUint", "MaxUint8", "MaxUint16", "MaxUint32", "MaxUint64",
	},
	"math/bits":    nil,
	"slices":       nil,
	"sort":         nil,
	"strconv":      nil,
	"strings":      nil,
	"unicode/utf8": nil,
}

// pureRules name what TestPurity refuses, and why.
var pureRules = map[string]string{
	"import":    "it reaches outside the state: a clock, randomness, I/O, goroutines, floats",
	"map range": "the order of a map differs from run to run and from replica to replica",
	"float":     "the result of float arithmetic depends on machine and compiler",
	"goroutine": "one goroutine owns the state",
	"channel":   "one goroutine owns the state",
	"select":    "one goroutine owns the state, and select chooses at random",
	"print":     "texts are made of texts and numbers, never of state, whose map order and addresses differ",
	"panic":     "a bug panics through must.Hold, so that it is told from the world's faults",
	"global":    "state lives in values; a package variable would be shared by all replicas of a process",
}

// An impurity is one place that breaks one rule.
type impurity struct {
	at   token.Position
	rule string
	what string
}

func (i impurity) String() string {
	return fmt.Sprintf("%s:%d: %s: %s (%s)", i.at.Filename, i.at.Line, i.rule, i.what, pureRules[i.rule])
}

// impurities type-checks the files of one package and lists what is not pure. mayPanic is for core/must.
func impurities(set *token.FileSet, files []*ast.File, from types.Importer, mayPanic bool) ([]impurity, error) {
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
	}
	config := types.Config{Importer: from}
	if _, err := config.Check("checked", set, files, info); err != nil {
		return nil, fmt.Errorf("type check: %w", err)
	}
	p := purifier{set: set, info: info, mayPanic: mayPanic}
	for _, file := range files {
		p.imports(file)
		ast.Inspect(file, p.visit)
	}
	slices.SortFunc(p.found, func(a, b impurity) int {
		return cmp.Or(cmp.Compare(a.at.Filename, b.at.Filename), cmp.Compare(a.at.Offset, b.at.Offset),
			cmp.Compare(a.rule, b.rule), cmp.Compare(a.what, b.what))
	})
	return slices.Compact(p.found), nil
}

type purifier struct {
	set      *token.FileSet
	info     *types.Info
	mayPanic bool
	found    []impurity
}

func (p *purifier) report(at ast.Node, rule, format string, args ...any) {
	p.found = append(p.found, impurity{p.set.Position(at.Pos()), rule, fmt.Sprintf(format, args...)})
}

func (p *purifier) imports(file *ast.File) {
	for _, spec := range file.Imports {
		name := strings.Trim(spec.Path.Value, "`\"")
		_, allowed := pureImports[name]
		if !allowed && !strings.HasPrefix(name, module+"/core/") {
			p.report(spec, "import", "import of %s", name)
		}
	}
}

func (p *purifier) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		p.report(n, "goroutine", "go statement")
	case *ast.SelectStmt:
		p.report(n, "select", "select statement")
		return false // its channel operations would only repeat the complaint
	case *ast.ChanType:
		p.report(n, "channel", "channel type")
	case *ast.RangeStmt:
		if hasMap(p.info.TypeOf(n.X)) {
			p.report(n, "map range", "range over %s", p.info.TypeOf(n.X))
		}
	case *ast.AssignStmt:
		for _, left := range n.Lhs {
			p.global(left)
		}
	case *ast.IncDecStmt:
		p.global(n.X)
	case *ast.CallExpr:
		p.format(n)
	case *ast.BasicLit:
		if n.Kind == token.FLOAT || n.Kind == token.IMAG {
			p.report(n, "float", "literal %s", n.Value)
		}
	case *ast.Ident:
		p.ident(n)
	}
	return true
}

// ident judges what a name stands for: a float, a builtin that prints or panics, a name outside a package's allowance.
func (p *purifier) ident(n *ast.Ident) {
	object := cmp.Or(p.info.Defs[n], p.info.Uses[n])
	if object == nil {
		return
	}
	if isFloat(object.Type()) {
		p.report(n, "float", "%s is %s", n.Name, object.Type())
	}
	if signature, ok := object.Type().(*types.Signature); ok {
		for v := range signature.Results().Variables() {
			if isFloat(v.Type()) {
				p.report(n, "float", "%s returns %s", n.Name, v.Type())
			}
		}
	}
	if _, builtin := object.(*types.Builtin); builtin {
		switch n.Name {
		case "print", "println":
			p.report(n, "print", "builtin %s", n.Name)
		case "panic", "recover":
			if !p.mayPanic {
				p.report(n, "panic", "builtin %s", n.Name)
			}
		}
	}
	if object.Pkg() == nil || object.Parent() != object.Pkg().Scope() {
		return
	}
	if only := pureImports[object.Pkg().Path()]; only != nil && !slices.Contains(only, n.Name) {
		p.report(n, "import", "%s.%s", object.Pkg().Path(), n.Name)
	}
}

// format reports what the format functions of fmt print beside texts and numbers, and what is made of them: a pointer
// would print its address, an interface whatever is in it.
func (p *purifier) format(call *ast.CallExpr) {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	if f := p.info.Uses[selector.Sel]; f == nil || f.Pkg() == nil || f.Pkg().Path() != "fmt" {
		return
	}
	for _, arg := range call.Args[1:] {
		if t := p.info.TypeOf(arg); !call.Ellipsis.IsValid() && !prints(t, 0) {
			p.report(arg, "print", "%s of type %s is formatted", types.ExprString(arg), t)
		}
	}
}

// prints reports whether a value of the type prints as the same text everywhere.
func prints(t types.Type, depth int) bool {
	if depth > 5 {
		return false // deeper than a text should go, or a type that contains itself
	}
	for _, method := range []string{"Error", "String"} {
		if f, _, _ := types.LookupFieldOrMethod(t, false, nil, method); f != nil {
			return true
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return true
	case *types.Slice:
		return prints(u.Elem(), depth+1)
	case *types.Array:
		return prints(u.Elem(), depth+1)
	case *types.Struct:
		for field := range u.Fields() {
			if !prints(field.Type(), depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// global reports a place that is, or lies in, a package variable. A write through a pointer to one is not seen.
func (p *purifier) global(place ast.Expr) {
	for {
		switch e := place.(type) {
		case *ast.ParenExpr:
			place = e.X
		case *ast.IndexExpr:
			place = e.X
		case *ast.StarExpr:
			place = e.X
		case *ast.SelectorExpr:
			if v, ok := p.info.Uses[e.Sel].(*types.Var); ok && !v.IsField() {
				p.global(e.Sel)
				return
			}
			place = e.X
		case *ast.Ident:
			v, ok := p.info.Uses[e].(*types.Var)
			if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				p.report(e, "global", "package variable %s is written", e.Name)
			}
			return
		default:
			return
		}
	}
}

func isFloat(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0
}

// hasMap reports whether t is a map, or a type parameter that can be one.
func hasMap(t types.Type) bool {
	if t == nil {
		return false
	}
	switch t := t.Underlying().(type) {
	case *types.Map:
		return true
	case *types.Interface:
		for i := range t.NumEmbeddeds() {
			union, ok := t.EmbeddedType(i).(*types.Union)
			if !ok {
				if hasMap(t.EmbeddedType(i)) {
					return true
				}
				continue
			}
			for term := range union.Terms() {
				if hasMap(term.Type()) {
					return true
				}
			}
		}
	}
	return false
}

// exports returns an importer that reads the compiler's export data of the given packages and all that they import.
func exports(t *testing.T, set *token.FileSet, patterns ...string) types.Importer {
	t.Helper()
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, patterns...)
	var complaint bytes.Buffer
	list := exec.CommandContext(t.Context(), "go", args...)
	list.Stderr = &complaint
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list -export: %v\n%s", err, complaint.String())
	}
	files := map[string]string{}
	for scanner := bufio.NewScanner(bytes.NewReader(out)); scanner.Scan(); {
		if name, file, found := strings.Cut(scanner.Text(), "\t"); found {
			files[name] = file
		}
	}
	return importer.ForCompiler(set, "gc", func(name string) (io.ReadCloser, error) {
		if files[name] == "" {
			return nil, fmt.Errorf("no export data for %s", name)
		}
		return os.Open(files[name])
	})
}

func TestPurity(t *testing.T) {
	set, packages := goPackages(t)
	from := exports(t, set, "./core/...")
	checked := 0
	for _, dir := range sortedKeys(packages) {
		if !strings.HasPrefix(dir, "core/") {
			continue
		}
		var files []*ast.File
		for _, f := range packages[dir] {
			// What is planted behind a tag stands beside its healthy twin; only one of the two can be compiled.
			if !f.isTest() && !f.onlyWith("canary") && !f.onlyWith("planted") {
				files = append(files, f.syntax)
			}
		}
		if len(files) == 0 {
			continue
		}
		found, err := impurities(set, files, from, dir == "core/must")
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, one := range found {
			t.Error(one)
		}
		checked++
	}
	if checked < 3 {
		t.Fatalf("only %d packages were checked", checked)
	}
}

// TestPuritySees runs every snippet of testdata/purity through the check. The first line of a snippet names the rules
// that it breaks, by name; each rule has at least one snippet.
func TestPuritySees(t *testing.T) {
	set := token.NewFileSet()
	names, err := filepath.Glob("testdata/purity/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no snippets: %v", err)
	}
	var snippets []*ast.File
	imported := map[string]bool{}
	for _, name := range names {
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		snippets = append(snippets, file)
		for _, path := range (goFile{syntax: file}).imports() {
			imported[path] = true
		}
	}
	from, seen := exports(t, set, sortedKeys(imported)...), map[string]bool{}
	for i, file := range snippets {
		found, err := impurities(set, []*ast.File{file}, from, false)
		if err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		rules := map[string]bool{}
		for _, one := range found {
			rules[one.rule], seen[one.rule] = true, true
		}
		want, _ := strings.CutPrefix(file.Comments[0].List[0].Text, "// breaks: ")
		if said := cmp.Or(strings.Join(sortedKeys(rules), ", "), "nothing"); said != want {
			t.Errorf("%s breaks %q, and the check says %q: %v", names[i], want, said, found)
		}
	}
	for _, rule := range sortedKeys(pureRules) {
		if !seen[rule] {
			t.Errorf("no snippet shows that the rule %q can fail", rule)
		}
	}
}
