package main

import "testing"

func TestMachineMemory(t *testing.T) {
	// A machine of this kind tells its memory; what it tells is between what a test needs and what there is on earth.
	if total := machineMemory(); total != 0 && (total < 64<<20 || total > 1<<50) {
		t.Fatalf("the machine has %d bytes of memory", total)
	}
}
