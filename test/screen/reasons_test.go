package screen_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"testing"

	"evenkeel/test/rig"
)

// TestEveryReason holds reasons.mjs against the language both ways: each reason for which something is refused is met
// by a spec that there is, or it says why no investor's screen meets it. That the spec meets it is held by run.mjs.
func TestEveryReason(t *testing.T) {
	rig.Needs(t, "node", exec.Command("node", "--version").Run())
	said, err := exec.Command("node", "--input-type=module", "-e",
		`import { reasons } from './reasons.mjs'; console.log(JSON.stringify(reasons))`).Output()
	if err != nil {
		t.Fatalf("read reasons.mjs: %v", err)
	}
	var table map[string]struct{ Said, In, Never string }
	if err := json.Unmarshal(said, &table); err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for name := range table {
		left[name] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../../core/trade/reason.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		kind, ok := spec.Type.(*ast.Ident)
		if !ok || kind.Name != "Reason" {
			return true
		}
		for _, one := range spec.Names {
			if one.Name == "Accepted" {
				continue
			}
			row, known := table[one.Name]
			delete(left, one.Name)
			switch {
			case !known:
				t.Errorf("reasons.mjs does not say where an investor meets %s", one.Name)
			case row.Said == "" || (row.In == "") == (row.Never == ""):
				t.Errorf("%s: reasons.mjs says what it is called, and either where it is met or why it is not", one.Name)
			case words[row.Said] != "":
				t.Errorf("%s and %s are both %s", words[row.Said], one.Name, row.Said)
			case row.In != "":
				if _, err := os.Stat("specs/" + row.In + ".mjs"); err != nil {
					t.Errorf("%s is met by %s, which there is not", one.Name, row.In)
				}
			}
			words[row.Said] = one.Name
		}
		return true
	})
	for name := range left {
		t.Errorf("reasons.mjs has %s, which core/trade has not", name)
	}
	if len(words) < 70 {
		t.Errorf("only %d reasons were read", len(words))
	}
}
