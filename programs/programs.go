// Package programs carries the programme files of this folder, so that a hub
// can show the announced ladder beside its own. It parses nothing:
// program/programfile does.
package programs

import "embed"

// Files holds every *.yaml of this folder.
//
//go:embed *.yaml
var Files embed.FS
