package supervise

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary plays the children and, for the orphan test, the parent.
func TestMain(m *testing.M) {
	switch os.Getenv("PLAY") {
	case "child":
		WatchParent()
		os.WriteFile(os.Getenv("READY"), []byte("ready"), 0o600)
		time.Sleep(time.Minute)
		os.Exit(0)
	case "brief":
		os.Exit(0)
	case "parent":
		playParent()
	}
	os.Exit(m.Run())
}

func child(dir, name, play string) Process {
	ready := filepath.Join(dir, name+".ready")
	self, _ := os.Executable()
	return Process{Role: "child", Name: name, Path: self, Ready: ready,
		Env: []string{"PLAY=" + play, "READY=" + ready}}
}

func playParent() {
	dir := os.Getenv("DIR")
	s, err := New(Options{LogDir: dir, Changed: func(es []Entry) {
		if len(es) == 1 {
			os.WriteFile(filepath.Join(dir, "pid"), []byte(strconv.Itoa(es[0].PID)), 0o600)
		}
	}})
	if err != nil {
		panic(err)
	}
	t, _ := s.Start(child(dir, "orphan", "child"))
	t.WaitReady(context.Background())
	os.WriteFile(filepath.Join(dir, "up"), []byte("1"), 0o600)
	time.Sleep(time.Minute)
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("waited in vain until " + what)
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestKilledChildIsStartedAgain(t *testing.T) {
	s, err := New(Options{LogDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	task, err := s.Start(child(t.TempDir(), "a", "child"))
	if err != nil {
		t.Fatal(err)
	}
	if err := task.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := int(task.pid.Load())
	syscall.Kill(first, syscall.SIGKILL)
	until(t, "another process runs", func() bool {
		pid := int(task.pid.Load())
		return pid != 0 && pid != first
	})
	if task.Deaths() != 1 {
		t.Errorf("%d deaths, want 1", task.Deaths())
	}
}

func TestFinishedTaskStaysFinished(t *testing.T) {
	s, err := New(Options{LogDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	p := child(t.TempDir(), "brief", "brief")
	p.Once = true
	task, err := s.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-task.Gone():
	case <-time.After(5 * time.Second):
		t.Fatal("task goes on after status 0")
	}
	if task.Deaths() != 0 {
		t.Errorf("%d deaths, want 0", task.Deaths())
	}
}

func TestStopLeavesNothing(t *testing.T) {
	s, err := New(Options{LogDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var pids []int
	for _, name := range []string{"a", "b", "c"} {
		task, err := s.Start(child(dir, name, "child"))
		if err != nil {
			t.Fatal(err)
		}
		if err := task.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, int(task.pid.Load()))
	}
	s.Stop()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d outlived Stop", pid)
		}
	}
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	dir := t.TempDir()
	self, _ := os.Executable()
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), "PLAY=parent", "DIR="+dir)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Wait()
	defer parent.Process.Kill()
	until(t, "the child is ready", func() bool { return exists(filepath.Join(dir, "up")) })
	raw, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(string(raw))
	parent.Process.Kill()
	until(t, "the child is gone", func() bool { return !alive(pid) })
}
