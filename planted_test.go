package main

import (
	"go/ast"
	"slices"
	"testing"

	"evenkeel/core/planted"
)

// TestPlantedSites: every planted bug stands somewhere in the real code, under a name of its own, in a form that an
// ordinary build removes: planted.Is of a constant.
func TestPlantedSites(t *testing.T) {
	if planted.Built {
		t.Fatal("an ordinary build plants bugs")
	}
	named := map[string]bool{}
	_, packages := goPackages(t)
	for dir, files := range packages {
		for _, f := range files {
			if f.isTest() || dir == "core/planted" {
				continue
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !isPlanted(call.Fun, "Is") {
					return true
				}
				bug, ok := call.Args[0].(*ast.SelectorExpr)
				if !ok || !isPlanted(bug, bug.Sel.Name) {
					t.Errorf("%s plants a bug that is not a constant of core/planted", f.path)
					return true
				}
				named[bug.Sel.Name] = true
				return true
			})
		}
	}
	all := planted.All()
	if len(all) != len(named) || len(all) < 30 {
		t.Errorf("%d bugs are listed and %d are planted: %v", len(all), len(named), sortedKeys(named))
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != len(planted.All()) {
		t.Error("two planted bugs have one name")
	}
}

// isPlanted reports whether an expression is planted.<name>.
func isPlanted(e ast.Expr, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	of, ok := s.X.(*ast.Ident)
	return ok && of.Name == "planted"
}
