package bench

import "syscall"

func usage() syscall.Rusage {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r
}

// cpuSeconds is the processor time of the process so far, on all threads.
func cpuSeconds() float64 {
	r := usage()
	return float64(r.Utime.Sec+r.Stime.Sec) + 1e-6*float64(r.Utime.Usec+r.Stime.Usec)
}

// peakBytes is the most memory the process has had resident; Linux counts it in KiB.
func peakBytes() int64 { return int64(usage().Maxrss) * 1024 }
