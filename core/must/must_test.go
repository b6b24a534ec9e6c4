package must

import "testing"

func TestHold(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() { Hold(true, "one is one") }); n != 0 {
		t.Errorf("%v allocations for a statement that holds", n)
	}
	defer func() {
		broken, ok := recover().(Broken)
		if !ok || broken != "cash is conserved" {
			t.Errorf("panicked with %#v", broken)
		}
		var err error = broken
		if err.Error() != "broken: cash is conserved" {
			t.Errorf("prints %q", err.Error())
		}
	}()
	Hold(false, "cash is conserved")
	t.Error("a statement that does not hold went by")
}
