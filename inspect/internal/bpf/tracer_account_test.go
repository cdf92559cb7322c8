package bpf

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helperShare runs threads that share one CPU: each works for a time of its own
// CPU clock and sleeps, again and again, then sleeps on. It says when all have
// begun, and their TIDs when all have done.
func helperShare(args []string) {
	var n [4]int // threads, turns, µs of work, µs of sleep
	for i := range n {
		n[i], _ = strconv.Atoi(args[i])
	}
	work, sleep := time.Duration(n[2])*time.Microsecond, time.Duration(n[3])*time.Microsecond
	fmt.Println(os.Getpid())
	gate()
	tids := make(chan int, n[0])
	var begun sync.WaitGroup
	var wg sync.WaitGroup
	begun.Add(n[0])
	for range n[0] {
		thread(&wg, func() {
			pin()
			begun.Done()
			for range n[1] {
				for end := threadCPU() + work; threadCPU() < end; {
				}
				if sleep > 0 {
					sleepRaw(sleep)
				}
			}
			tids <- unix.Gettid()
			park()
		})
	}
	begun.Wait()
	fmt.Println(n[0])
	var list []any
	for range n[0] {
		list = append(list, <-tids)
	}
	fmt.Println(list...)
	untilEOF()
}

// TestAgreesWithKernel compares run time, ready time and switches of threads
// that share a CPU with what the kernel booked meanwhile: for threads that only
// compute and for such that run and sleep for moments, traced from their birth
// and from the middle of their lives.
func TestAgreesWithKernel(t *testing.T) {
	for _, load := range []struct {
		name string
		args []any
	}{
		{"computing", []any{5, 1, 200_000, 0}},
		{"bursts", []any{5, 1200, 150, 100}},
	} {
		for _, born := range []bool{true, false} {
			name := load.name + " in mid-life"
			if born {
				name = load.name + " from birth"
			}
			t.Run(name, func(t *testing.T) { agreesWithKernel(t, load.args, born) })
		}
	}
}

func agreesWithKernel(t *testing.T, args []any, born bool) {
	source := openSource(t)
	h := startHelper(t, "share", args...)
	h.line()
	tr := newTracer(t, TracerOptions{Targets: []int{h.pid}, Aggregates: true})
	if !born {
		h.ask("")
	}
	before := booked(t, source, h.pid)
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	after := booked(t, source, h.pid)
	if born {
		h.ask("")
	}
	tids := h.numbers()
	asleep(t, h.pid, tids)
	a, end := aggregates(t, tr), booked(t, source, h.pid)
	var got, least, most kernelCounts
	for _, tid := range tids {
		s := threadOf(t, a, tid)
		got.run += uint64(s.Run)
		got.ready += uint64(s.Ready)
		got.vol += s.Voluntary
		got.invol += s.Involuntary
		lo, hi := end[tid].since(after[tid]), end[tid].since(before[tid]) // Start lies between
		least.add(lo)
		most.add(hi)
	}
	t.Logf("run %v, %+.3f %%; ready %v, %+.3f %%; %d switches, %d of them voluntary", duration(got.run), off(got.run, least.run, most.run),
		duration(got.ready), off(got.ready, least.ready, most.ready), got.vol+got.invol, got.vol)
	if d := off(got.run, least.run, most.run); math.Abs(d) > 0.1 {
		t.Errorf("run %d ns, kernel says %d to %d: %+.3f %%", got.run, least.run, most.run, d)
	}
	// Whoever waits at the attach has waited by a clock that is up to a tick old.
	allowed := 0.1
	if !born {
		allowed += 100 * float64(4*10*time.Millisecond) / float64(least.ready)
	}
	if d := off(got.ready, least.ready, most.ready); math.Abs(d) > allowed {
		t.Errorf("ready %d ns, kernel says %d to %d: %+.3f %%", got.ready, least.ready, most.ready, d)
	}
	if off(got.vol, least.vol, most.vol) != 0 || off(got.invol, least.invol, most.invol) != 0 {
		t.Errorf("%d+%d switches, kernel says %+v to %+v", got.vol, got.invol, least, most)
	}
	if a.Drops.ThreadsFull|a.Drops.Missed != 0 {
		t.Errorf("%+v", a.Drops)
	}
}

// TestHiddenSwitches: switches that the kernel does not show are counted all the
// same, and it is told how many they were.
func TestHiddenSwitches(t *testing.T) {
	h := startHelper(t, "naps")
	h.line()
	tid := h.ask("1")[0]
	naps := func(n int) kernelCounts {
		h.ask(strconv.Itoa(n))
		asleep(t, h.pid, []uint64{tid})
		return readCounts(t, h.pid, tid)
	}
	naps(1)
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Aggregates: true})
	first := readCounts(t, h.pid, tid) // it sleeps since long before
	shown := naps(50)
	for _, on := range []uint32{0, 1} {
		if err := tr.set(tracerVarEnabled, on); err != nil {
			t.Fatal(err)
		}
		if on == 0 {
			shown = naps(40).since(shown) // what is hidden
		}
	}
	naps(30)
	var s *ThreadStats
	eventually(t, "the counts of the kernel", func() bool {
		s = threadOf(t, aggregates(t, tr), tid)
		now := readCounts(t, h.pid, tid).since(first)
		return s.Voluntary == now.vol && s.Involuntary == now.invol
	})
	// The kernel may hide some of its own accord.
	hidden := shown.vol + shown.invol
	if more := uint64(len(hiddenProcesses(t))) * s.Voluntary; s.MissedOuts < hidden-1 || s.MissedOuts > hidden+1+more {
		t.Errorf("%d switches were missed, want %d", s.MissedOuts, hidden)
	}
}

func (k *kernelCounts) add(b kernelCounts) {
	k.run += b.run
	k.ready += b.ready
	k.vol += b.vol
	k.invol += b.invol
}

// off is by how many percent a value lies outside of two bounds.
func off(v, lo, hi uint64) float64 {
	switch {
	case v < lo:
		return 100 * (float64(v) - float64(lo)) / math.Max(float64(lo), 1)
	case v > hi:
		return 100 * (float64(v) - float64(hi)) / math.Max(float64(hi), 1)
	}
	return 0
}

// booked are the kernel's counts of all threads of a process, the wait of a
// thread that is queued now included.
func booked(t *testing.T, s *Source, pid int) map[uint64]kernelCounts {
	t.Helper()
	tasks, err := s.One(pid, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint64]kernelCounts{}
	for i := range tasks {
		k := &tasks[i]
		c := kernelCounts{k.SumExec, k.RunDelay, k.NVCSw, k.NIvCSw}
		if k.LastQueued != 0 && k.RQClock > k.LastQueued {
			c.ready += k.RQClock - k.LastQueued
		}
		all[uint64(k.TID)] = c
	}
	return all
}
