package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/spf13/cobra"
)

// demo holds what only `crescendo up` starts: actors who show how a programme
// is used. They have no powers that people lack.
func (c *cli) demo() *cobra.Command {
	cmd := stage("demo", "Demo actors that `crescendo up` starts", c.demoClient())
	cmd.Hidden = true
	return cmd
}

func (c *cli) demoClient() *cobra.Command {
	var config string
	var rungs int
	cmd, _ := c.seatCommand("client", "Ask served models as a demo client", func(ctx context.Context, f *seatFlags, s node.Seat) error {
		data, err := readFileArg(config)
		if err != nil {
			return err
		}
		var demo programfile.Demo
		if err := json.Unmarshal(data, &demo); err != nil {
			return fmt.Errorf("read %s: %w", config, err)
		}
		return node.DemoClient(ctx, s, demo, rungs, f.readiness)
	})
	cmd.Flags().StringVar(&config, "config", "", "file with the programme's demo section as JSON")
	cmd.Flags().IntVar(&rungs, "rungs", 1, "rungs to use")
	return cmd
}
