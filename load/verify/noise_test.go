package verify

import (
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// TestExcuse: noise excuses what it can have caused, and nothing else.
func TestExcuse(t *testing.T) {
	quiet, loud := 2.0, 40.0
	tasks := []NoisyTask{{PID: 7, Comm: "hopper", CPUPercent: 9}}
	for _, tt := range []struct {
		name string
		g    gate
		m    miss
		want Verdict
		why  string
	}{
		{
			"a hopping task took the missing 0.27 s, below five per cent of the CPU",
			gate{Noise: Noise{GatePercent: &quiet, Tasks: tasks}, taken: 28e7, window: 6e9},
			miss{cpuTime: true, ns: 27e7},
			Undecided, "hopper (pid 7, 9 %)",
		},
		{
			"others did not have what is missing, although they were busy",
			gate{Noise: Noise{GatePercent: &loud, Tasks: tasks}, taken: 8e8, window: 2e9},
			miss{cpuTime: true, ns: 9e8},
			Fail, "others cannot have caused that: they had 800 ms",
		},
		{
			"nobody is named where nobody was seen",
			gate{Noise: Noise{GatePercent: &loud}, taken: 8e8, window: 2e9},
			miss{cpuTime: true, ns: 3e8},
			Undecided, "interrupts, the hypervisor, or tasks that came and went",
		},
		{
			"a miss on a quiet machine",
			gate{Noise: Noise{GatePercent: &quiet}, taken: 4e7, window: 2e9},
			miss{cpuTime: true, ns: 9e7},
			Fail, "they had 40 ms",
		},
		{
			"more CPU time than there can be",
			gate{Noise: Noise{GatePercent: &loud}, taken: 8e8, window: 2e9, crowded: "crowded"},
			miss{cpuTime: true, ns: 1, impossible: true},
			Fail, "",
		},
		{
			"more CPU time than expected, and interrupts and the hypervisor had as much",
			gate{Noise: Noise{GatePercent: &loud}, taken: 8e8, stolen: 2e7, window: 2e9},
			miss{cpuTime: true, over: true, ns: 15e6},
			Undecided, "interrupts and the hypervisor had 20 ms",
		},
		{
			"more CPU time than expected, while other tasks were busy",
			gate{Noise: Noise{GatePercent: &loud, Tasks: tasks}, taken: 8e8, window: 2e9},
			miss{cpuTime: true, over: true, ns: 1e6},
			Fail, "others cannot have caused that",
		},
		{"not known", gate{Noise: Noise{Why: "no sample"}}, miss{cpuTime: true, ns: 1}, Undecided, "is not known: no sample"},
		{"crowded", gate{Noise: Noise{GatePercent: &quiet}, crowded: "but it asks for 3 CPUs"}, miss{cpuTime: true, ns: 1}, Undecided, "asks for 3"},
		{
			"preemptions missing while others had the CPU as often",
			gate{Noise: Noise{GatePercent: &quiet, Tasks: tasks}, taken: 4e7, window: 2e9},
			miss{part: 0.015},
			Undecided, "hopper",
		},
		{
			"more preemptions missing than that",
			gate{Noise: Noise{GatePercent: &quiet}, taken: 4e7, window: 2e9},
			miss{part: 0.03},
			Fail, "",
		},
		{"another count on a quiet machine", gate{Noise: Noise{GatePercent: &quiet}, taken: 4e7, window: 2e9}, miss{}, Fail, ""},
		{"another count on a busy machine", gate{Noise: Noise{GatePercent: &loud}, taken: 4e7, window: 2e9}, miss{}, Undecided, "40 %"},
	} {
		why, got := tt.g.excuse(tt.m)
		if got != tt.want || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %s %q, want %s %q", tt.name, got, why, tt.want, tt.why)
		}
	}
}

// TestTakenTime: the time others had comes from the CPUs' own times, so that a
// task is seen that no process table shows.
func TestTakenTime(t *testing.T) {
	at := func(s *inspect.Snapshot, busy0, busy1, steal0 float64) {
		total := float64(s.MonoNS) / 1e9
		s.Host.PerCPU = []inspect.CPUTimes{
			{User: busy0, Steal: steal0, Idle: total - busy0 - steal0},
			{User: busy1, Idle: total - busy1},
		}
	}
	w := pretend(t, "ready", otherBusy) // 1.5 s on CPU 0
	for _, s := range w.samples {
		if s.Reach != ReachHost {
			continue
		}
		switch s.Phase {
		case load.WhenReady:
			at(s.Snapshot, 1, 1, 0)
		case load.WhenParked: // 1.4 s of the load, 70 ms of somebody, 30 ms stolen; the other CPU is somebody's alone
			at(s.Snapshot, 1+1.4+0.07, 2.4, 0.03)
			know(&s.ByPID(firstPID).CPUTimeNS, func(n uint64) uint64 { return n - 1e8 })
		}
	}
	j := newJudge(w.m, w.samples, w.left)
	if got := j.noise.taken / 1e6; got < 95 || got > 105 {
		t.Errorf("others had %.1f ms of CPU 0, want 100", got)
	}
	// 70 ms of run time less than the workers' own promise of the sum: a CPU
	// that was taken, not a counter that is wrong.
	q := load.Promise{
		Process: -1, Thread: -1, Field: "run_ns", Scope: "subtree", Kind: load.Bound, AtLeast: true, When: load.WhenDelta,
		Expect: load.Exactly(1.5e9 + 9e7), Because: "test",
	}
	if c := j.check(&q); c.Verdict != Undecided {
		t.Errorf("90 ms short of 1.5 s: %s (%s), want undecided", c.Verdict, c.Why)
	}
	q.Expect = load.Exactly(1.5e9 + 2e8)
	if c := j.check(&q); c.Verdict != Fail {
		t.Errorf("200 ms short: %s (%s), want fail", c.Verdict, c.Why)
	}
}

// TestLiveEndsWhenTheFirstIsWoken: a task whose wait is over is ready before it
// can say so.
func TestLiveEndsWhenTheFirstIsWoken(t *testing.T) {
	w := pretend(t, "idle", otherBusy) // waits for 1 s
	late := w.m.GateMonoNS + 13e8
	for i := range w.m.Processes {
		for k := range w.m.Processes[i].Threads {
			w.m.Processes[i].Threads[k].Report.EndNS = late
		}
	}
	w.m.ParkedMonoNS = late
	for _, tt := range []struct {
		at   int64
		want bool
	}{{5e8, true}, {99e7, true}, {11e8, false}} {
		s := &inspect.Snapshot{MonoNS: w.m.GateMonoNS + tt.at}
		if when, ok := PhaseOf(w.m, s, 1e8); ok != tt.want || ok && when != load.WhenLive {
			t.Errorf("%d ms after the gate: %q, %v; want live: %v", tt.at/1e6, when, ok, tt.want)
		}
	}
}

// TestWokenAt: from then on a thread is ready, although it may have to wait for
// a CPU before it can say so.
func TestWokenAt(t *testing.T) {
	const second = int64(1e9)
	hold := func(d int64) load.Op { return load.Op{Kind: load.OpHold, A: uint64(d)} }
	sleep := load.Op{Kind: load.OpSleepRel, A: 1, B: uint64(second)}
	job := load.Op{Kind: load.OpSum}
	for _, tt := range []struct {
		name   string
		ops    []load.Op
		jobEnd int64 // after the gate
		end    *load.End
		want   int64 // after the gate; 0: not known
	}{
		{"it only waits", []load.Op{hold(2 * second)}, 0, nil, 2 * second},
		{"with marks", []load.Op{{Kind: load.OpMark}, hold(2 * second), {Kind: load.OpMark, A: load.MarkUntil}}, 0, nil, 2 * second},
		{"it waits when its job is done", []load.Op{job, hold(2 * second)}, second, nil, 2 * second},
		{"its job takes longer", []load.Op{job, hold(2 * second)}, 3 * second, nil, 0},
		{"it goes on after its wait", []load.Op{job, hold(2 * second), job}, 3 * second, nil, 2 * second},
		{"a sleep, and to the end", []load.Op{sleep, hold(2 * second)}, second, nil, second + 1000},
		{"a longer sleep", []load.Op{sleep, hold(second / 2)}, second, nil, second + 1000},
		{"it only computes", []load.Op{job}, second, nil, 0},
		{"it ends by plan", []load.Op{hold(second), {Kind: load.OpExit}}, 0, &load.End{}, 0},
	} {
		m := &load.Manifest{
			GateMonoNS: 5e9, Plan: &load.Plan{Processes: []load.ProcessPlan{{End: tt.end, Threads: []load.ThreadPlan{{Ops: tt.ops}}}}},
			Processes: []load.ManifestProcess{{Threads: []load.ManifestThread{{Report: load.Report{StartNS: 5e9 + 1000}}}}},
		}
		if tt.jobEnd != 0 {
			m.Processes[0].Threads[0].Report.JobEndNS = m.GateMonoNS + tt.jobEnd
		}
		want := tt.want
		if want != 0 {
			want += m.GateMonoNS
		}
		if got := wokenAt(m, 0, 0); got != want {
			t.Errorf("%s: %d ns after the gate, want %d", tt.name, got-m.GateMonoNS, tt.want)
		}
	}
}
