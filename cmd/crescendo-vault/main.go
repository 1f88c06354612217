// Command crescendo-vault holds sealed weights in the clear and answers sealed
// prompts. It is started by the relay, which measures it first, and speaks over
// an inherited socket only. It has no flags and reads no files.
package main

import (
	"fmt"
	"os"

	"github.com/crescendo-network/crescendo/role/vault"
)

func main() {
	if err := vault.Main(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
