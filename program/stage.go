package program

import "fmt"

var stageNames = [...]string{"announced", "raising", "competing", "training", "selecting", "sealing", "serving", "opened", "refunding"}

// String returns the stage's name in lower case.
func (s Stage) String() string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return fmt.Sprintf("stage %d", uint32(s))
}
