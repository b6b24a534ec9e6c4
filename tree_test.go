package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tests at the root read the project as text: the import table (floors_test.go), the purity of core/
// (purity_test.go), tidiness (tidy_test.go). Here is what they share: one walk over the tree and one parse of its Go.

const module = "evenkeel"

// notOurs are folders whose content others wrote, or that running and building leave behind: by name anywhere, and by
// path from the root.
var notOurs = []string{".git", "node_modules", "dist", "./bin", "./data"}

// goFile is one parsed file of the module; files of nested modules (tools, test/sdk/go) are not among them.
type goFile struct {
	path   string // from the root, with slashes
	syntax *ast.File
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// onlyWith reports whether the file is compiled only with the build tag, or behind an expression that names it alone.
func (f goFile) onlyWith(tag string) bool {
	for _, group := range f.syntax.Comments {
		for _, line := range group.List {
			if line.Pos() < f.syntax.Package && line.Text == "//go:build "+tag {
				return true
			}
		}
	}
	return false
}

// treeFiles lists every file of the project, from the root, with slashes, in order.
func treeFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (slices.Contains(notOurs, entry.Name()) || slices.Contains(notOurs, "./"+name)):
			return fs.SkipDir
		case entry.Type().IsRegular():
			files = append(files, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(files, "go.mod") || len(files) < 20 {
		t.Fatalf("the walk saw %d files and is not at the root of the project", len(files))
	}
	return files
}

// goPackages parses every Go file of the module whatever its build tags, by folder. testdata is left out.
func goPackages(t *testing.T) (*token.FileSet, map[string][]goFile) {
	t.Helper()
	files := treeFiles(t)
	nested := map[string]bool{}
	for _, name := range files {
		if path.Base(name) == "go.mod" && name != "go.mod" {
			nested[path.Dir(name)] = true
		}
	}
	set, packages := token.NewFileSet(), map[string][]goFile{}
	for _, name := range files {
		if path.Ext(name) != ".go" || slices.Contains(strings.Split(name, "/"), "testdata") || within(name, nested) {
			continue
		}
		syntax, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		packages[path.Dir(name)] = append(packages[path.Dir(name)], goFile{name, syntax})
	}
	return set, packages
}

func within(name string, folders map[string]bool) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if folders[dir] {
			return true
		}
	}
	return false
}

// imports returns the import paths of a file, unquoted.
func (f goFile) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, name)
		}
	}
	return paths
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
