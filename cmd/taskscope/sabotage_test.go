package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"taskscope/load"
	"taskscope/load/verify"
)

// sabotage changes what the workers do behind the back of what is promised.
type sabotage struct {
	name, load string // with its parameters
	field      string // whose check must notice; "": the run itself fails
	change     func(p *load.Plan)
}

// lastThread is a worker in every load.
func lastThread(p *load.Plan) *load.ThreadPlan {
	q := &p.Processes[len(p.Processes)-1]
	return &q.Threads[len(q.Threads)-1]
}

// op finds the last worker's operation of a kind.
func op(p *load.Plan, kind load.OpKind) *load.Op {
	t := lastThread(p)
	i := slices.IndexFunc(t.Ops, func(o load.Op) bool { return o.Kind == kind })
	return &t.Ops[i]
}

func sabotages() []sabotage {
	return []sabotage{
		{"one sleep more", "vol seconds=300ms", "voluntary_switches", func(p *load.Plan) { op(p, load.OpSleepRel).A++ }},
		{"another name", "threads names=a,b,c seconds=300ms", "thread_names", func(p *load.Plan) { lastThread(p).Name = "d" }},
		{"another parent", "tree depth=1 width=3 seconds=300ms", "children", func(p *load.Plan) { p.Processes[3].Parent = 2 }},
		{"a page more", "mem seconds=300ms", "segment_rss_bytes", func(p *load.Plan) { o := op(p, load.OpMap); o.A, o.B = o.A+4096, o.B+4096 }},
		{"a page more of the parent's memory written", "cow bytes=1MiB seconds=300ms", "segment_private_dirty_bytes", func(p *load.Plan) { p.Processes[0].Threads[0].Ops[1].A += 4096 }},
		{"a sleep that becomes uninterruptible", "states seconds=1500ms", "transitions", func(p *load.Plan) {
			const ms = 1_000_000
			p.Processes[1].Threads[0].Ops = []load.Op{{Kind: load.OpHold, A: 500 * ms}, {Kind: load.OpVfork, A: 1100 * ms}, {Kind: load.OpHold, A: 1500 * ms}}
			p.Budget.Tasks++
		}},
		{"a worker that writes to what all share", "pool as=processes work=sleep:300ms seconds=300ms", "areas_pss_bytes", func(p *load.Plan) {
			t := lastThread(p)
			t.Setup = append(t.Setup, load.Op{Kind: load.OpTouch, A: 4096, B: 2})
		}},
		{"a page of a worker's own memory that is never written", "pool work=sleep:300ms seconds=300ms", "areas_rss_bytes", func(p *load.Plan) {
			lastThread(p).Setup[0].B -= 4096
		}},
		{"pages that come without having been written", "cow bytes=1MiB seconds=300ms", "faults_off_log", func(p *load.Plan) {
			t := &p.Processes[0].Threads[0]
			t.Ops = slices.Insert(t.Ops, 2, load.Op{Kind: load.OpMap, A: 64 << 10, B: 64 << 10, C: 3})
		}},
		{"one addition less", "counter workers=4 each=100 seconds=300ms", "value", func(p *load.Plan) { op(p, load.OpAdd).A-- }},
		{"one number left out", "sum upto=1000 seconds=300ms", "result", func(p *load.Plan) { op(p, load.OpSum).B-- }},
		{"the lock taken once more", "lock seconds=100ms", "acquisitions", func(p *load.Plan) { op(p, load.OpLock).A++ }},
		{"one move more", "migrate flips=100 seconds=300ms", "exact_migrations", func(p *load.Plan) { op(p, load.OpMigrate).A++ }},
		{"a tenth more CPU time", "duty seconds=500ms", "run_ns", func(p *load.Plan) { o := op(p, load.OpDuty); o.C += o.C / 10 }},
		{"one read call more", "io reads=100 writes=100 seconds=300ms", "read_calls", func(p *load.Plan) { op(p, load.OpIO).A++ }},
		{"another nice value", "policy policies=other nice=3 seconds=300ms", "nice", func(p *load.Plan) { lastThread(p).Nice = 4 }},
		{"a page that comes too early", "crawl delay=200ms seconds=300ms", "elapsed_ns", func(p *load.Plan) {
			web := p.Processes[len(p.Processes)-1].Threads
			for i := range web[1:] {
				web[1+i].Ops[0].B /= 2
			}
		}},
		{"a sleep cut short", "pool work=sleep:400ms seconds=100ms", "elapsed_ns", func(p *load.Plan) {
			for i := range p.Processes[0].Threads[1:] {
				p.Processes[0].Threads[1+i].Ops[0].B /= 2
			}
		}},
		{"a task fewer made", "spawn n=50 seconds=300ms", "made", func(p *load.Plan) { op(p, load.OpSpawn).A-- }},
		{"another exit status", "crash as=processes by=exit workers=2 seconds=400ms", "", func(p *load.Plan) {
			p.Processes[1].Threads[0].Ops[1].A = 8
		}},
	}
}

// TestWorkersThatDoSomethingElse: real workers, observed by a real observer, do
// a little more or less than is promised, and the verdict is fail, whatever
// else the machine does.
func TestWorkersThatDoSomethingElse(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for each of them")
	}
	for _, s := range sabotages() {
		t.Run(s.name, func(t *testing.T) {
			words := strings.Fields(s.load)
			scenario, err := load.ByName(words[0])
			if err != nil {
				t.Fatal(err)
			}
			a := &app{procRoot: "/proc", source: "auto", stderr: io.Discard, stdout: &output{w: io.Discard}}
			f := &loadFlags{retries: 2}
			job, err := f.quickJob(scenario, words[1:])
			if err != nil {
				t.Fatal(err)
			}
			s.change(job.plan)
			r, err := a.verdictOn(t.Context(), f, job)
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict == verify.Skipped {
				t.Skip(r.Why)
			}
			noticed := s.field == "" || slices.ContainsFunc(r.Checks, func(c verify.Check) bool {
				return c.Verdict == verify.Fail && c.Field == s.field
			})
			if r.Verdict != verify.Fail || !noticed {
				t.Errorf("verdict %s (%s), want a failed check of %q", r.Verdict, r.Why, s.field)
			}
		})
	}
}
