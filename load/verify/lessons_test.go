package verify

import (
	"slices"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// lesson breaks what one scenario is there to teach, and nothing that every
// scenario has: the check of that field must be the one that notices.
type lesson struct {
	name     string
	scenario string
	args     []string // nil: those of `load verify`
	field    string
	do       func(w *world)
}

// parked and gated change the last worker at the end or at the gate.
func parked(f func(p *inspect.Process, t *inspect.Thread)) func(w *world) {
	return func(w *world) { f(w.worker(w.last(load.WhenParked))) }
}

func gated(f func(p *inspect.Process, t *inspect.Thread)) func(w *world) {
	return func(w *world) { f(w.worker(w.last(load.WhenReady))) }
}

// everyLive changes every sample that was taken while it worked.
func everyLive(f func(s *inspect.Snapshot)) func(w *world) {
	return func(w *world) {
		for _, s := range w.of(load.WhenLive) {
			f(s)
		}
	}
}

// area changes the memory at the address that workers report.
func area(f func(m *inspect.SegmentMem)) func(w *world) {
	return func(w *world) {
		w.eachDetail(load.WhenParked, func(d *inspect.Detail) {
			for i := range d.Segments {
				if d.Segments[i].Start == pretendArea {
					f(&d.Segments[i].Mem)
				}
			}
		})
	}
}

// eachArea changes what was mapped by a thread of the plan, in every process that
// has it.
func (w *world) eachArea(process, thread int, f func(m *inspect.SegmentMem)) {
	w.eachDetail(load.WhenParked, func(d *inspect.Detail) {
		for i := range d.Segments {
			if d.Segments[i].Start == areaOf(w.m.Plan, process, thread) {
				f(&d.Segments[i].Mem)
			}
		}
	})
}

// more adds a part to a counter: 0.5 is one and a half times as much.
func more(k *inspect.Known[uint64], part float64) {
	k.V += uint64(float64(k.V) * part)
}

func lessons() []lesson {
	return slices.Concat(lessonsOnTasks(), lessonsOnScheduling(), lessonsOnJobs(), lessonsOnMemory(), lessonsOnLife())
}

func lessonsOnTasks() []lesson {
	return []lesson{
		{"a thread bears another name", "threads", nil, "thread_names", gated(func(_ *inspect.Process, t *inspect.Thread) { t.Comm = "writer-2" })},
		{"a thread fewer", "threads", nil, "threads", gated(func(p *inspect.Process, _ *inspect.Thread) { p.ThreadCount.V-- })},
		{"a short-lived thread fewer", "threads", []string{"churn=50", "seconds=1s"}, "made", func(w *world) { w.report().Loops -= 2 }},
		{"a child of somebody else", "tree", nil, "ppid", gated(func(p *inspect.Process, _ *inspect.Thread) { p.PPID.V++ })},
		{"a process in its parent's session", "tree", nil, "session_pid", gated(func(p *inspect.Process, _ *inspect.Thread) { p.Session.V = 1 })},
		{"a process in another group", "tree", []string{"setsid=false"}, "group_pid", gated(func(p *inspect.Process, _ *inspect.Thread) { p.PGID.V++ })},
		{"a child older than its parent", "tree", nil, "started_before_elder", func(w *world) {
			for _, s := range w.samples {
				for _, p := range s.Processes {
					if p.ID.PID == w.m.Processes[len(w.m.Processes)-1].PID {
						p.ID.Start--
					}
				}
			}
		}},
		{"a process fewer", "tree", nil, "descendants", func(w *world) {
			s := w.last(load.WhenReady)
			s.Processes = s.Processes[:len(s.Processes)-1]
		}},
		{"a blocked task has run", "idle", nil, "run_ns", func(w *world) {
			p, _ := w.worker(w.last(load.WhenLive))
			p.RunNS.V++
		}},
		{"the name of a thread ends where the reader was deceived", "names", nil, "comm", func(w *world) {
			for _, s := range w.of(load.WhenReady) {
				for _, p := range s.Processes {
					for k := range p.Threads {
						if p.Threads[k].Comm == ") R 1 (" {
							p.Threads[k].Comm = ""
						}
					}
				}
			}
		}},
		{"a process of the tree has lost a thread", "hybrid", nil, "threads", gated(func(p *inspect.Process, _ *inspect.Thread) { p.ThreadCount.V-- })},
		{"a thread of a process sees what another process has added", "hybrid", nil, "result", func(w *world) { w.report().Result *= 2 }},
		{"the threads of a pool are in two processes", "pool", nil, "address_spaces", everyLive(func(s *inspect.Snapshot) {
			p := *s.Processes[0]
			p.ID.PID, p.PPID = p.ID.PID+50, inspect.Know(p.ID.PID)
			s.Processes = append(s.Processes, &p)
		})},
		{"a pool of processes has lost one", "pool", []string{"as=processes", "work=sleep:1s", "seconds=1s"}, "address_spaces", everyLive(func(s *inspect.Snapshot) {
			s.Processes = s.Processes[:len(s.Processes)-1]
		})},
		{"threads of a pool have tables of descriptors of their own", "pool", nil, "fds", parked(func(p *inspect.Process, _ *inspect.Thread) { p.FDs.V *= 3 })},
		{"a worker that failed was not replaced", "pool", []string{"respawn=true", "kill-every=200ms"}, "made", func(w *world) {
			w.m.Processes[0].Threads[0].Report.Loops--
		}},
		{"a pool keeps a worker too few", "respawn", nil, "children", func(w *world) {
			s := w.last(load.WhenParked)
			s.Processes = s.Processes[:len(s.Processes)-1]
		}},
		{"a thread per goroutine", "go-runtime", nil, "threads", everyLive(func(s *inspect.Snapshot) { s.Processes[0].ThreadCount.V = 1003 })},
	}
}

func lessonsOnScheduling() []lesson {
	return []lesson{
		{"a sleep that was no switch", "vol", nil, "voluntary_switches", parked(func(_ *inspect.Process, t *inspect.Thread) { t.Voluntary.V--; t.Slices.V-- })},
		{"one of them is not ready", "ready", nil, "ready_tasks", everyLive(func(s *inspect.Snapshot) { s.Processes[0].Threads[1].State = 'S' })},
		{"one gets more than its share", "ready", nil, "share_percent", parked(func(_ *inspect.Process, t *inspect.Thread) { more(&t.RunNS, 0.3) })},
		{"two per cent more than its share of CPU time", "duty", nil, "run_ns", parked(func(_ *inspect.Process, t *inspect.Thread) { more(&t.RunNS, 0.02) })},
		{"nice makes no difference", "nice", nil, "share_percent", func(w *world) {
			p := w.last(load.WhenParked).Processes[0]
			p.Threads[3].RunNS = p.Threads[1].RunNS
		}},
		{"yields that switched to nobody", "nvol-yield", nil, "involuntary_switches", parked(func(_ *inspect.Process, t *inspect.Thread) { t.Involuntary.V -= 30; t.Slices.V -= 30 })},
		{"a thread has the policy of another", "policy", nil, "policy", gated(func(_ *inspect.Process, t *inspect.Thread) { t.Policy.V = 0 })},
		{"a move that was none", "migrate", nil, "exact_migrations", func(w *world) {
			w.eachDetail(load.WhenParked, func(d *inspect.Detail) {
				for tid := range d.Migrations.V {
					d.Migrations.V[tid]--
				}
			})
		}},
		{"a wake-up that did not take the CPU", "preempt", nil, "involuntary_switches", parked(func(_ *inspect.Process, t *inspect.Thread) { t.Involuntary.V--; t.Slices.V-- })},
		{"a real-time thread kept the CPU for itself", "rr", nil, "share_percent", parked(func(_ *inspect.Process, t *inspect.Thread) { more(&t.RunNS, 0.5) })},
		{"slices that did not end", "rr", nil, "involuntary_switches", parked(func(_ *inspect.Process, t *inspect.Thread) { t.Slices.V -= t.Involuntary.V - 10; t.Involuntary.V = 10 })},
		{"a group runs beyond its quota", "throttle", nil, "run_ns", parked(func(p *inspect.Process, _ *inspect.Thread) { p.RunNS.V *= 4 })},
		{"a throttled task sleeps", "throttle", nil, "state_all", everyLive(func(s *inspect.Snapshot) { s.Processes[0].Threads[1].State = 'S' })},
		{"a CPU idles beside ready workers", "cpu", nil, "cores_busy", func(w *world) {
			for _, s := range w.samples {
				for i := range s.Host.PerCPU {
					s.Host.PerCPU[i] = inspect.CPUTimes{Idle: float64(s.MonoNS) / 1e9}
				}
			}
		}},
		{"more threads ran at once than there are CPUs", "cpu", nil, "cores_used", parked(func(p *inspect.Process, _ *inspect.Thread) { p.RunNS.V *= 3 })},
	}
}

func lessonsOnJobs() []lesson {
	return []lesson{
		{"two owners of the lock at once", "lock", nil, "value", func(w *world) { w.m.Objects[0].Value-- }},
		{"a wait for the lock that made no switch", "lock", nil, "voluntary_switches", func(w *world) { w.report().Waits++ }},
		{"two threads under one interpreter lock ran at once", "gil", nil, "cores_used", parked(func(p *inspect.Process, _ *inspect.Thread) { p.RunNS.V *= 2 })},
		{"waits one after the other", "gil", []string{"work=io", "amount=300ms", "workers=4", "seconds=1s"}, "elapsed_ns", func(w *world) {
			w.report().JobEndNS = w.report().StartNS + 1e8
			for k := range w.m.Processes[0].Threads {
				w.m.Processes[0].Threads[k].Report.JobEndNS = w.report().JobEndNS
			}
		}},
		{"an addition under the lock is lost", "counter", nil, "lost_updates", func(w *world) { w.m.Objects[0].Value-- }},
		{"an addition was done twice", "counter", []string{"mode=racy", "workers=8"}, "value", func(w *world) { w.m.Objects[0].Value += 1 << 20 }},
		{"the sum is off by one", "sum", nil, "result", func(w *world) { w.report().Result++ }},
		{"a part was not sent", "sum", []string{"as=processes"}, "messages", func(w *world) { w.m.Processes[0].Threads[0].Report.Done-- }},
		{"a message that was no switch", "pingpong", []string{"seconds=800ms", "policy=fifo"}, "voluntary_switches", parked(func(_ *inspect.Process, t *inspect.Thread) { t.Voluntary.V--; t.Slices.V-- })},
		{"a message too many", "pingpong", nil, "messages", func(w *world) { w.report().Done++ }},
		{"an element was worked on twice", "map", nil, "duplicates", func(w *world) { w.report().Late++ }},
		{"a chunk was left out", "map", nil, "items", func(w *world) {
			for i := range w.m.Processes[0].Threads {
				if r := &w.m.Processes[0].Threads[i].Report; r.Done > 0 {
					r.Done -= 500
					return
				}
			}
		}},
		{"a process sees what another has added", "isolation", []string{"as=processes"}, "result", func(w *world) { w.report().Result *= 4 }},
		{"a thread does not see what the others have added", "isolation", []string{"as=threads"}, "result", func(w *world) { w.report().Result /= 4 }},
		{"the thread of a closed connection stays", "server", nil, "threads", func(w *world) { w.last(load.WhenParked).Processes[0].ThreadCount.V++ }},
		{"a request was not answered", "server", nil, "requests", func(w *world) { w.report().Done-- }},
		{"a page is missing", "crawl", nil, "pages", func(w *world) { w.fetcher().Done-- }},
		{"pages before their time", "crawl", nil, "elapsed_ns", func(w *world) {
			for i := range w.m.Processes {
				for k := range w.m.Processes[i].Threads {
					r := &w.m.Processes[i].Threads[k].Report
					r.JobEndNS = r.StartNS + 1000
				}
			}
		}},
		{"a read call too many", "io", nil, "read_calls", parked(func(p *inspect.Process, _ *inspect.Thread) { p.ReadCalls.V++ })},
		{"a byte was not written", "io", nil, "write_chars_bytes", parked(func(p *inspect.Process, _ *inspect.Thread) { p.WriteChars.V-- })},
	}
}

func lessonsOnMemory() []lesson {
	const page = 4096
	pool := []string{"as=processes", "work=sleep:1s", "seconds=1s"}
	return []lesson{
		{"a page of the heap is not resident", "mem", nil, "heap_rss_bytes", func(w *world) {
			w.detail(load.WhenParked, func(d *inspect.Detail) { d.Segments[0].Mem.RSS -= page })
		}},
		{"a page more than was touched", "mem", nil, "rss_bytes", func(w *world) {
			w.last(load.WhenParked).Processes[0].RSSBytes.V += page
		}},
		{"threads of a pool have copies of what they share", "pool", nil, "segment_rss_bytes", func(w *world) {
			w.eachArea(0, 0, func(m *inspect.SegmentMem) { m.RSS *= 2 })
		}},
		{"shared memory of a pool of threads counts twice", "pool", nil, "areas_rss_bytes", func(w *world) {
			w.eachArea(0, 0, func(m *inspect.SegmentMem) { m.RSS += page })
		}},
		{"a worker process wrote to what all share", "pool", pool, "segment_shared_dirty_bytes", func(w *world) {
			w.eachArea(0, 0, func(m *inspect.SegmentMem) { m.SharedDirty, m.PrivateDirty = m.SharedDirty-page, page })
		}},
		{"the shares of a pool of processes add up to more than there is", "pool", pool, "areas_pss_bytes", func(w *world) {
			w.eachArea(0, 0, func(m *inspect.SegmentMem) { m.PSS += 1024 })
		}},
		{"a page of a worker's own memory is shared", "pool", pool, "segment_pss_bytes", func(w *world) {
			w.eachArea(1, 0, func(m *inspect.SegmentMem) { m.PSS -= page / 2 })
		}},
		{"shared memory counts once in the resident sizes too", "pool", pool, "rss_minus_pss_bytes", func(w *world) {
			w.eachDetail(load.WhenParked, func(d *inspect.Detail) { d.Memory.Total.RSS = d.Memory.Total.PSS })
		}},
		{"shared memory counts in full", "mem-shared", []string{"as=processes", "seconds=800ms"}, "segment_pss_bytes", area(func(m *inspect.SegmentMem) { m.PSS = m.RSS })},
		{"a page was not copied", "cow", nil, "segment_private_dirty_bytes", area(func(m *inspect.SegmentMem) { m.PrivateDirty += page })},
		{"a copy without a fault", "cow", nil, "minor_faults", func(w *world) {
			p := w.last(load.WhenParked).Processes[0]
			p.Threads[0].MinorFaults.V--
		}},
		{"pages are copied before they are written", "cow", nil, "faults_off_log", func(w *world) {
			w.of(load.WhenLive)[1].Processes[0].Threads[0].MinorFaults.V += 20
		}},
		{"pages are copied at half the rate", "cow", nil, "minor_faults_per_second", func(w *world) {
			live := w.of(load.WhenLive)
			first := live[0].Processes[0].Threads[0].MinorFaults.V
			for _, s := range live[1:] {
				f := &s.Processes[0].Threads[0].MinorFaults
				f.V -= (f.V - first) / 2
			}
		}},
		{"who does not write has a fault meanwhile", "cow", nil, "minor_faults", func(w *world) {
			_, t := w.worker(w.of(load.WhenLive)[3])
			t.MinorFaults.V++
		}},
		{"a written page still belongs to the file", "cow-file", nil, "segment_anonymous_bytes", area(func(m *inspect.SegmentMem) { m.Anonymous -= page })},
		{"it grows half as fast", "grow", nil, "rss_bytes_per_second", func(w *world) {
			live := w.of(load.WhenLive)
			first, last := live[0].Processes[0], live[len(live)-1].Processes[0]
			last.RSSBytes.V -= (last.RSSBytes.V - first.RSSBytes.V) / 2
		}},
		{"a task waited for memory", "grow", nil, "memory_stall_ns", func(w *world) { w.stall(3000) }},
		{"the peak is above what it has", "grow", nil, "peak_minus_rss_bytes", parked(func(p *inspect.Process, _ *inspect.Thread) { p.PeakRSSBytes.V += page })},
		{"a page less than its steps", "grow", nil, "rss_bytes", parked(func(p *inspect.Process, _ *inspect.Thread) { p.RSSBytes.V -= page })},
		{"fewer faults than huge pages", "huge", nil, "minor_faults", func(w *world) {
			_, t := w.worker(w.last(load.WhenParked))
			t.MinorFaults.V--
			w.report().MinorFaults--
		}},
		{"a huge page is made of small ones", "huge", nil, "segment_huge_bytes", area(func(m *inspect.SegmentMem) { m.AnonHuge -= 2 << 20 })},
	}
}

func lessonsOnLife() []lesson {
	return []lesson{
		{"what is traced looks stopped", "states", nil, "state_all", everyLive(func(s *inspect.Snapshot) {
			for _, p := range s.Processes {
				if p.Threads[0].State == 't' {
					p.Threads[0].State = 'T'
				}
			}
		})},
		{"what was stopped had been in uninterruptible sleep", "states", nil, "transitions", func(w *world) {
			for _, p := range w.of(load.WhenLive)[0].Processes {
				if p.Threads[0].State == 'T' {
					p.Threads[0].State = 'D'
				}
			}
		}},
		{"what was stopped stopped once more", "states", nil, "transitions", func(w *world) {
			for _, p := range w.of(load.WhenLive)[1].Processes {
				if p.Threads[0].State == 'T' {
					p.Threads[0].State = 'R'
				}
			}
		}},
		{"what borrows its place waits for a lock", "states", nil, "waits_in", func(w *world) {
			for _, s := range w.samples {
				if s.Phase == load.WhenLive && s.Reach == ReachOne && s.Processes[0].Threads[0].Wait.WChan.V == "kernel_clone" {
					s.Processes[0].Threads[0].Wait.WChan = inspect.Know("futex_wait_queue")
				}
			}
		}},
		{"a zombie sleeps", "zombies", nil, "state_all", everyLive(func(s *inspect.Snapshot) {
			s.Processes[len(s.Processes)-1].Threads[0].State = 'S'
		})},
		{"a zombie has memory", "zombies", nil, "memory_left_bytes", everyLive(func(s *inspect.Snapshot) {
			s.Processes[len(s.Processes)-1].RSSBytes = inspect.Know(uint64(4096))
		})},
		{"an orphan without its new parent", "orphans", nil, "ppid", parked(func(p *inspect.Process, _ *inspect.Thread) { p.PPID.V = 1 })},
		{"a sibling dies with the one that failed", "crash", []string{"as=processes", "seconds=1s"}, "threads", everyLive(func(s *inspect.Snapshot) {
			s.Processes = s.Processes[:len(s.Processes)-1]
		})},
		{"a thread that failed left its process alive", "crash", []string{"as=threads", "seconds=1s"}, "present", func(w *world) {
			dead := w.last(load.WhenReady).Processes[1]
			for _, s := range w.of(load.WhenLive) {
				s.Processes = slices.Insert(s.Processes, 1, dead)
			}
		}},
		{"it ended by another signal", "crash", nil, "exit_status", func(w *world) { w.m.Processes[1].Exit.Signal = 9 }},
		{"a thread costs more than a process", "spawn", nil, "thread_creation_ns", func(w *world) {
			w.m.Processes[0].Threads[0].Report.Slots["4"] *= 100
		}},
		{"a task fewer was made", "spawn", nil, "made", func(w *world) { w.m.Processes[0].Threads[0].Report.Loops-- }},
		{"more at a time than allowed", "forkstorm", nil, "most_at_a_time", func(w *world) { w.m.Processes[0].Threads[0].Report.Slots["0"]++ }},
		{"the host has seen fewer forks than were made", "forkstorm", nil, "host_forks", func(w *world) {
			for _, s := range w.samples {
				s.Host.Forks = inspect.Know(uint64(1000))
			}
		}},
	}
}

// TestEveryScenarioHasALesson: breaking what a scenario teaches fails the check
// of just that.
func TestEveryScenarioHasALesson(t *testing.T) {
	taught := map[string]bool{}
	for _, l := range lessons() {
		taught[l.scenario] = true
		t.Run(l.scenario+"/"+l.name, func(t *testing.T) {
			if r := pretend(t, l.scenario, otherBusy, l.args...).judge(); l.scenario != "go-runtime" { // it has threads that no plan lists
				expectVerdict(t, r, Pass)
			}
			w := pretend(t, l.scenario, otherBusy, l.args...)
			l.do(w)
			r := w.judge()
			noticed := slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Verdict == Fail && c.Field == l.field })
			if r.Verdict != Fail || !noticed {
				t.Errorf("verdict %s (%s), want a failed check of %s", r.Verdict, r.Why, l.field)
			}
		})
	}
	for _, name := range load.Names() {
		if !taught[name] {
			t.Errorf("nothing breaks what %s teaches", name)
		}
	}
}
