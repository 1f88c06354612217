package research

import "fmt"

var phaseNames = [...]string{"entering", "revealing", "trialling", "decided", "cancelled"}

// String returns the phase's name in lower case.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase %d", uint32(p))
}
