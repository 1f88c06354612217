package main

import (
	"fmt"
	"time"

	"github.com/crescendo-network/crescendo/role/hub/loadtest"
	"github.com/spf13/cobra"
)

// hubLoad makes load on a hub of one's own.
func (c *cli) hubLoad() *cobra.Command {
	var l loadtest.Config
	cmd := &cobra.Command{
		Use: "load URL", Short: "Open a live page of your hub many times at once and measure it", Args: arguments("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.Hub = args[0]
			report, err := loadtest.Run(cmd.Context(), l, func(line string) { c.note("%s", line) })
			if err != nil {
				return err
			}
			return c.print(report, func(w writer) {
				fmt.Fprintf(w, "%d viewers, %d refused, %d lost, for %.0f s\n", report.Viewers, report.Refused, report.Lost, report.Seconds)
				fmt.Fprintf(w, "first page     median %.0f ms, 99 in 100 within %.0f ms\n", report.FirstMedian, report.First99)
				fmt.Fprintf(w, "updates        %d different ones, %d in all, %.1f MB\n", report.Updates, report.Events, float64(report.Bytes)/1e6)
				fmt.Fprintf(w, "after the first viewer   median %.1f ms, 99 in 100 within %.1f ms, last %.1f ms\n", report.LateMedian, report.Late99, report.LateMost)
				fmt.Fprintf(w, "sent by the hub          %.0f, of them %.0f over 100 ms after they were made, %.0f over 1 s, %.0f over 3 s\n", report.Sent, report.SentOver100, report.SentOver1s, report.SentOver3s)
				fmt.Fprintf(w, "hub            %.1f ms CPU a block over %.0f blocks, %.0f %% of a core\n", report.CPUPerBlock, report.Blocks, 100*report.CPUShare)
				fmt.Fprintf(w, "memory         %.0f MB, %.0f MB before\n", report.Memory/1e6, report.Before/1e6)
			})
		},
	}
	cmd.Flags().IntVar(&l.Viewers, "viewers", 1000, "streams to open")
	cmd.Flags().IntVar(&l.PerSecond, "per-second", 80, "streams to open in a second; hubs limit newcomers per client")
	cmd.Flags().DurationVar(&l.Duration, "for", 30*time.Second, "how long to measure")
	cmd.Flags().StringVar(&l.Topic, "topic", "front", "live page: front, network, rung-1 ...")
	return cmd
}
