// Package deps pins what the helpers need while the tree is built.
package deps

import (
	_ "github.com/cockroachdb/datadriven"
	_ "github.com/cosmos/ics23/go"
	_ "github.com/decred/dcrd/dcrec/secp256k1/v4"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/landlock-lsm/go-landlock/landlock"
	_ "github.com/openai/openai-go/v3"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "go.yaml.in/yaml/v3"
	_ "golang.org/x/crypto/ripemd160"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/cpu"
	_ "golang.org/x/sys/unix"
	_ "google.golang.org/protobuf/encoding/protowire"
	_ "lukechampine.com/blake3"
	_ "pgregory.net/rapid"
)
