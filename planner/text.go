package planner

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write prints a plan for people, at most 100 columns wide.
func Write(w io.Writer, l Ladder) {
	a := l.Assumptions
	g := gpus[int(a.of("gpu"))]
	fmt.Fprintf(w, "%s on %s at %.0f %% of peak, %s an hour\n\n", l.Programme, g.title, a.of("mfu")*100, DollarText(a.of("gpu-price-"+g.name)))
	table(w, "rung\tparameters\ttokens\tFLOP\tsites x GPUs\tbusy\tdays\tGPU-hours\tdollars\traise\tas MoE", l.Rungs, func(r Rung) []string {
		return []string{
			CountText(float64(r.Parameters)), CountText(float64(r.Tokens)), fmt.Sprintf("%.1e", r.FLOPs), fmt.Sprintf("%d x %d", r.Contributors, r.SiteGPUs),
			Percent(r.Utilisation), DayText(r.Days), CountText(r.GPUHours), DollarText(r.Dollars), DollarText(r.RaiseDollars), DollarText(r.MoE.Dollars),
		}
	})
	fmt.Fprintf(w, "\ntotal %s of %s announced, %s raised at most; %s GPU-hours; %s as mixtures of experts\n",
		DollarText(l.TotalDollars), DollarText(l.AnnouncedDollars), DollarText(l.RaiseDollars), CountText(l.GPUHours), DollarText(l.MoEDollars))
	fmt.Fprint(w, "\nA site, each round, and the share of time it computes at a link both ways\n\n")
	table(w, "rung\tmemory\tup=down\tat 1 Gbit/s\t100M\t1G\t10G\t95 % from\tcheckpoint\tarchive", l.Rungs, func(r Rung) []string {
		need := "-"
		if r.LinkFor > 0 {
			need = LinkText(r.LinkFor)
		}
		return []string{
			BytesText(r.SiteMemory), BytesText(r.Upload), MinuteText(r.Links[1].UploadMinutes),
			Percent(r.Links[0].Utilisation), Percent(r.Links[1].Utilisation), Percent(r.Links[2].Utilisation), need,
			BytesText(r.Checkpoint), BytesText(r.Archive),
		}
	})
	fmt.Fprintln(w)
	for _, r := range l.Rungs {
		fmt.Fprintf(w, "%d %-5s %s\n", r.Rung, r.Name, r.WhoCanTakePart)
		if r.ActiveParameters > 0 {
			fmt.Fprintf(w, "        a mixture of experts: a token uses %s of %s parameters\n", CountText(float64(r.ActiveParameters)), CountText(float64(r.Parameters)))
		}
		for _, n := range r.Notes {
			fmt.Fprintf(w, "        %s\n", n)
		}
	}
	writeFunnel(w, l.Rungs)
	if changed := a.Changed(); len(changed) > 0 {
		fmt.Fprintln(w, "\nassumed otherwise:")
		for _, c := range changed {
			fmt.Fprintf(w, "  %s = %s %s (%s)\n", c.Name, c.Text(), c.Unit, c.Meaning)
		}
	}
	fmt.Fprintln(w, "\nEvery input, its source and its range: --assumptions. Change some: --set gpu=h200 --set mfu=0.45")
}

// table prints rungs in columns that are right-aligned but for the first.
func table(w io.Writer, head string, rungs []Rung, cells func(Rung) []string) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	first, rest, _ := strings.Cut(head, "\t")
	fmt.Fprintf(tw, "%s\t%s\t\n", first, rest)
	for _, r := range rungs {
		fmt.Fprintf(tw, "%d %s\t%s\t\n", r.Rung, r.Name, strings.Join(cells(r), "\t"))
	}
	tw.Flush()
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, leftFirst(strings.TrimRight(line, " \n")))
	}
}

// leftFirst moves a right-aligned first cell to the left edge.
func leftFirst(line string) string {
	trimmed := strings.TrimLeft(line, " ")
	cut := strings.Index(trimmed, "  ")
	if cut < 0 {
		return trimmed
	}
	return trimmed[:cut] + strings.Repeat(" ", len(line)-len(trimmed)) + trimmed[cut:]
}

// WriteAssumptions prints every input with its bounds and its source.
func WriteAssumptions(w io.Writer, all Assumptions) {
	for _, a := range all {
		mark := " "
		if a.Changed() {
			mark = "*"
		}
		fmt.Fprintf(w, "%s %-21s %-8s %s\n", mark, a.Name, a.Text(), a.Meaning)
		fmt.Fprintf(w, "%32s %s; source: %s\n", "", a.Range(), a.Source)
	}
}

// CountText and its like are how plans write figures: three of them, with a unit.
func CountText(n float64) string {
	for _, u := range []struct {
		unit string
		size float64
	}{{"T", 1e12}, {"B", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if n >= u.size*0.9995 {
			return three(n/u.size) + u.unit
		}
	}
	return three(n)
}

// three prints three figures, and all of a larger number.
func three(n float64) string {
	switch {
	case n >= 99.95:
		return fmt.Sprintf("%.0f", n)
	case n >= 9.995:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}

// DollarText writes money.
func DollarText(n float64) string {
	if n < 1000 {
		return fmt.Sprintf("$%.2f", n)
	}
	return "$" + CountText(n)
}

// BytesText writes sizes in decimal units.
func BytesText(n uint64) string {
	for _, u := range []struct {
		unit string
		size float64
	}{{"PB", 1e15}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if float64(n) >= u.size {
			return three(float64(n)/u.size) + " " + u.unit
		}
	}
	return fmt.Sprintf("%d B", n)
}

// Percent writes a share.
func Percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }

// DayText writes a number of days, or of years.
func DayText(days float64) string {
	switch {
	case days >= 730:
		return fmt.Sprintf("%.3g y", days/365.25)
	case days >= 10:
		return fmt.Sprintf("%.0f", days)
	}
	return fmt.Sprintf("%.1f", days)
}

// MinuteText writes a time given in minutes.
func MinuteText(minutes float64) string { return TimeText(minutes * 60) }

// TimeText writes a time given in seconds.
func TimeText(seconds float64) string {
	switch {
	case seconds < 90:
		return three(seconds) + " s"
	case seconds < 5400:
		return three(seconds/60) + " min"
	case seconds < 48*3600:
		return three(seconds/3600) + " h"
	}
	return DayText(seconds/86400) + " days"
}

// LinkText writes a bandwidth given in Mbit/s.
func LinkText(mbps float64) string {
	if mbps >= 1000 {
		return three(mbps/1000) + " Gbit/s"
	}
	return three(mbps) + " Mbit/s"
}
