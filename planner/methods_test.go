package planner

import (
	"strings"
	"testing"
)

// The order in which the literature has the methods, at the largest rungs.
func TestMethods(t *testing.T) {
	spec := announced(t)
	for _, rung := range []int{5, 7} {
		methods, err := Methods(spec, rung, Defaults())
		if err != nil {
			t.Fatal(err)
		}
		less := func(i, j int) {
			t.Helper()
			for k := range methodTargets {
				if a, b := methods[i].Gbps[k], methods[j].Gbps[k]; b == 0 || a > 0 && b > a*1.002 {
					t.Errorf("rung %d, %.0f %%: %s wants %g Gbit/s, %s %g", rung, methodTargets[k]*100, methods[i].Method, a, methods[j].Method, b)
				}
			}
		}
		for i := range 4 {
			less(i, i+1)
		}
		// Fewer bits than four-bit streaming, but all at once at the end of a round:
		// at the last rung that wants more of a link, not less.
		less(3, 5)
		less(6, 5)
		var b strings.Builder
		WriteMethods(&b, rung, methods)
		t.Log("\n" + b.String())
	}
	if _, err := Methods(spec, 8, Defaults()); err == nil {
		t.Error("methods of an eighth rung were compared")
	}
}
