package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node/plan"
	"github.com/crescendo-network/crescendo/planner"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func (c *cli) planProgramme() *cobra.Command {
	var sets []string
	var file string
	var list, here bool
	var methods int
	cmd := &cobra.Command{
		Use: "plan FILE", Short: "Reckon what a programme's rungs take: money, GPUs, links, days", Args: arguments("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if here {
				return c.planHere(args[0])
			}
			spec, _, err := programfile.Load(args[0])
			if err != nil {
				return err
			}
			assumed, err := assumptions(file, sets)
			if err != nil {
				return err
			}
			if methods != 0 {
				compared, err := planner.Methods(spec, methods, assumed)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"rung": methods, "methods": compared}, func(w writer) { planner.WriteMethods(w, methods, compared) })
			}
			ladder, err := planner.Plan(spec, assumed)
			if err != nil {
				return err
			}
			return c.print(ladder, func(w writer) {
				planner.Write(w, ladder)
				if list {
					fmt.Fprintln(w)
					planner.WriteAssumptions(w, assumed)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&sets, "set", nil, "assume otherwise: name=value; may be repeated")
	f.StringVar(&file, "assume", "", "read assumptions from a YAML `FILE` of name: value lines; --set comes on top")
	f.BoolVar(&list, "assumptions", false, "list every assumption with its source and range")
	f.IntVar(&methods, "methods", 0, "compare ways of training rung `N` together: what link each wants")
	f.BoolVar(&here, "here", false, "estimate this machine instead: what it can train alone")
	return cmd
}

// planHere measures this machine, so its answer differs from machine to
// machine.
func (c *cli) planHere(path string) error {
	spec, demo, err := programfile.Load(path)
	if err != nil {
		return err
	}
	m, err := thisMachine(spec)
	if err != nil {
		return err
	}
	rungs := plan.Rungs(spec, plan.CrewOf(spec, demo.Trainers+demo.FreeRiders, demo.Evaluators), m)
	return c.print(map[string]any{"programme": spec.Name, "rungs": rungs}, func(w writer) { plan.Write(w, rungs, m) })
}

// assumptions are the planner's, overridden by a file and then by flags.
func assumptions(file string, sets []string) (planner.Assumptions, error) {
	overrides := map[string]string{}
	if file != "" {
		if err := readAssumptions(file, overrides); err != nil {
			return nil, err
		}
	}
	for _, s := range sets {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, usagef("--set %q: no value", s).hinted("write --set name=value; names: crescendo program plan FILE --assumptions")
		}
		overrides[name] = value
	}
	return planner.Parse(overrides)
}

const maxAssumptions = 64 << 10

func readAssumptions(path string, into map[string]string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read assumptions %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAssumptions+1))
	if err != nil {
		return fmt.Errorf("read assumptions %s: %w", path, err)
	}
	if len(data) > maxAssumptions {
		return crescendo.Errorf(crescendo.CodeInvalid, "read assumptions %s: more than %d bytes", path, maxAssumptions)
	}
	var values map[string]yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&values); err != nil && !errors.Is(err, io.EOF) {
		return crescendo.Errorf(crescendo.CodeInvalid, "read assumptions %s: %v", path, err).WithHint("lines of the form name: value")
	}
	for name, v := range values {
		if v.Kind != yaml.ScalarNode {
			return crescendo.Errorf(crescendo.CodeInvalid, "read assumptions %s: line %d: %s is not a single value", path, v.Line, name).
				WithHint("lines of the form name: value")
		}
		into[name] = v.Value
	}
	return nil
}
