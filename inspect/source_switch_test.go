package inspect

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"taskscope/inspect/internal/proc"
)

// roleOf starts the test binary in another role (see sourceHelper).
func roleOf(t *testing.T, role string) int {
	t.Helper()
	pid, _ := talkTo(t, role)
	return pid
}

// talkTo also gives a way to send a line and get the numbers of the answer.
func talkTo(t *testing.T, role string) (pid int, ask func() (uint64, uint64)) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "INSPECT_TEST_HELPER="+role)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	answers := bufio.NewReader(out)
	if line, err := answers.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%s says %q, %v", role, line, err)
	}
	return cmd.Process.Pid, func() (a, b uint64) {
		t.Helper()
		if _, err := io.WriteString(in, "\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fscanln(answers, &a, &b); err != nil {
			t.Fatal(err)
		}
		return a, b
	}
}

func autoReader(t *testing.T, o Options) *Reader {
	t.Helper()
	r, err := NewReader(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func readOK(t *testing.T, r *Reader, q Request) *Snapshot {
	t.Helper()
	s, err := r.Read(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// switched reads until BPF has taken over.
func switched(t *testing.T, r *Reader, q Request, each func(*Snapshot)) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s := readOK(t, r, q)
		each(s)
		if s.Source == SourceBPF {
			return
		}
		if r.src.tried && r.src.pending == nil && r.src.tasks == nil {
			t.Skip(r.src.why)
		}
	}
	t.Fatal("BPF was not loaded in 20 s")
}

// watchSwitches follows processes over changes of source and complains about
// every value that is not what it should be.
type watchSwitches struct {
	t    *testing.T
	prev *Snapshot
	pids []int
	// clock before the pass: the CPU time shown must lie between two readings.
	clocks map[int]uint64
}

func (w *watchSwitches) readClocks() map[int]uint64 {
	m := map[int]uint64{}
	for _, pid := range w.pids {
		ns, err := proc.CPUClock(pid)
		if err != nil {
			w.t.Fatal(err)
		}
		m[pid] = ns
	}
	return m
}

func (w *watchSwitches) take(s *Snapshot) {
	w.t.Helper()
	after := w.readClocks()
	c := Diff(w.prev, s)
	for _, pid := range w.pids {
		p := s.ByPID(pid)
		if p == nil {
			w.t.Fatalf("%s: process %d is missing", s.Source, pid)
		}
		if w.prev == nil {
			continue
		}
		q, d := w.prev.ByPID(pid), c.Of(p.ID)
		if p.CPUTimeNS.V < w.clocks[pid] || p.CPUTimeNS.V > after[pid] {
			w.t.Errorf("%s: process %d has used %d ns, its clock said %d and %d", s.Source, pid, p.CPUTimeNS.V, w.clocks[pid], after[pid])
		}
		if d.Reset {
			w.t.Errorf("%s after %s: process %d: a counter went back: %+v, %+v", s.Source, w.prev.Source, pid, q, p)
		}
		w.rises(s, pid, "user", q.UserNS, p.UserNS)
		w.rises(s, pid, "system", q.SystemNS, p.SystemNS)
		w.rises(s, pid, "voluntary", q.Switches.Voluntary, p.Switches.Voluntary)
		w.rises(s, pid, "involuntary", q.Switches.Involuntary, p.Switches.Involuntary)
		w.rises(s, pid, "run", q.RunNS, p.RunNS)
		w.rises(s, pid, "ready", q.ReadyNS, p.ReadyNS)
		w.rises(s, pid, "slices", q.Slices, p.Slices)
		if !d.CPUPercent.OK() || !d.VoluntaryRate.OK() {
			w.t.Errorf("%s after %s: process %d: CPU %+v, switches %+v", s.Source, w.prev.Source, pid, d.CPUPercent, d.VoluntaryRate)
		}
		if p.Cmdline.V == nil || p.State == 0 || !p.UID.OK() || !p.RSSBytes.OK() || p.Threads == nil {
			w.t.Errorf("%s: process %d lacks something: %+v", s.Source, pid, p)
		}
	}
	w.prev = s
}

func (w *watchSwitches) rises(s *Snapshot, pid int, name string, q, p Known[uint64]) {
	w.t.Helper()
	if !q.OK() || !p.OK() || p.V < q.V {
		w.t.Errorf("%s after %s: process %d: %s %+v after %+v", s.Source, w.prev.Source, pid, name, p, q)
	}
}

func (w *watchSwitches) read(r *Reader, q Request) {
	w.t.Helper()
	w.clocks = w.readClocks()
	w.take(readOK(w.t, r, q))
}

// TestSwitchOfSource changes from /proc to BPF and back, twice, under processes
// that burn CPU time, sleep, have had threads, and have them come and go: no
// value may jump, fall or vanish on the way.
func TestSwitchOfSource(t *testing.T) {
	for _, tt := range []struct {
		name      string
		taskstats bool
	}{{"with taskstats", true}, {"without", false}} {
		t.Run(tt.name, func(t *testing.T) {
			w := &watchSwitches{t: t, pids: []int{roleOf(t, "spin"), roleOf(t, "pause"), roleOf(t, "exited"), roleOf(t, "churn")}}
			r := autoReader(t, Options{Background: true})
			if !tt.taskstats {
				r.asked = true // and nothing found
			}
			q := Request{Want: WantAll}
			for range 3 {
				w.read(r, q)
				r.src.background = true
			}
			switched(t, r, q, func(s *Snapshot) { w.prev = s }) // clocks are not read here
			for range 5 {
				w.read(r, q)
			}
			tasks := r.src.tasks
			for range 2 {
				r.src.tasks = nil // as after a failure
				for range 3 {
					w.read(r, q)
				}
				r.src.tasks = tasks
				for range 3 {
					w.read(r, q)
				}
			}
		})
	}
}

// TestSwitchIsNoRate: what exited threads did in the past, which only the records
// tell, is a correction of the total, and no rate.
func TestSwitchIsNoRate(t *testing.T) {
	pid := roleOf(t, "exited") // 50 threads have blocked 100 times each
	r := autoReader(t, Options{Background: true})
	r.asked = true // no taskstats
	q := Request{Want: WantAll, Only: []int{pid}}
	var last, before *Snapshot
	switched(t, r, q, func(s *Snapshot) { before, last = last, s })
	if before == nil {
		t.Skip("BPF was there at once")
	}
	d := Diff(before, last).Deltas[0]
	p, o := last.Processes[0], before.Processes[0]
	if p.Switches.Voluntary.V < o.Switches.Voluntary.V+4000 || !p.Switches.Exact || o.Switches.Exact {
		t.Errorf("%d switches after the switch of source, %d before", p.Switches.Voluntary.V, o.Switches.Voluntary.V)
	}
	if !d.VoluntaryRate.OK() || d.VoluntaryRate.V > 1000 || d.Reset {
		t.Errorf("rate %+v, reset %v", d.VoluntaryRate, d.Reset)
	}
}

// TestFailureOfSource: a pass that fails is made over /proc at once, with one
// notice.
func TestFailureOfSource(t *testing.T) {
	r := autoReader(t, Options{Background: true})
	q := Request{Want: WantTree}
	switched(t, r, q, func(*Snapshot) {})
	_ = r.src.tasks.Close() // passes fail from now on
	s := readOK(t, r, q)
	if s.Source != SourceProc || s.Notice == "" || s.ByPID(os.Getpid()) == nil || strings.Contains(s.Notice, "\n") {
		t.Errorf("source %s, notice %q, %d processes", s.Source, s.Notice, len(s.Processes))
	}
	if s = readOK(t, r, q); s.Source != SourceProc || s.Notice != "" {
		t.Errorf("again: source %s, notice %q", s.Source, s.Notice)
	}
}

// readerOf makes a Reader of that source, or ends the test (see RequireBPF).
func readerOf(t *testing.T, source string) *Reader {
	t.Helper()
	r, err := NewReader(Options{Source: source})
	RequireBPF(t, err)
	return r
}

// TestTotalsUnderChurn samples the switch totals of a process whose threads come
// and go a thousand times, each time between two answers of the process itself
// to what getrusage says: never wrong, never backwards.
func TestTotalsUnderChurn(t *testing.T) {
	r := readerOf(t, SourceBPF)
	defer r.Close()
	if r.src.exact == nil {
		t.Skip("this kernel has no iterator of threads: no exact totals")
	}
	pid, ask := talkTo(t, "churn")
	one, all := 1000, 20
	if testing.Short() {
		one = 100
	}
	for _, tt := range []struct {
		name    string
		q       Request
		samples int
	}{
		{"one process", Request{Want: WantAll, Only: []int{pid}}, one},
		{"all processes", Request{Want: WantStatus | WantTotals}, all},
	} {
		t.Run(tt.name, func(t *testing.T) { sampleTotals(t, r, tt.q, tt.samples, pid, ask) })
	}
}

func sampleTotals(t *testing.T, r *Reader, q Request, samples, pid int, ask func() (uint64, uint64)) {
	var prev *Process
	exact, wrong, back := 0, 0, 0
	for range samples {
		lowV, lowI := ask()
		s := readOK(t, r, q)
		highV, highI := ask()
		p := s.ByPID(pid)
		if p == nil {
			t.Fatal("the process is missing")
		}
		v, i := p.Switches.Voluntary.V, p.Switches.Involuntary.V
		if p.Switches.Exact {
			exact++
			if v < lowV || v > highV || i < lowI || i > highI {
				wrong++
			}
		}
		if prev != nil && (v < prev.Switches.Voluntary.V || i < prev.Switches.Involuntary.V) {
			back++
		}
		prev = p
	}
	t.Logf("%d samples, %d exact, %d wrong, %d backwards", samples, exact, wrong, back)
	if wrong > 0 || back > 0 || exact < samples/2 {
		t.Errorf("%d of %d exact, %d wrong, %d backwards", exact, samples, wrong, back)
	}
}

// TestNothingExitedIsMadeUp: threads that wake up while they are read are not
// taken for threads that have exited, however the totals are come by.
func TestNothingExitedIsMadeUp(t *testing.T) {
	for _, source := range []string{SourceProc, SourceBPF} {
		t.Run(source, func(t *testing.T) {
			r := readerOf(t, source)
			defer r.Close()
			r.src.exact = nil // as on kernels without iterators of threads: taskstats is asked
			pid := roleOf(t, "wakers")
			var now *Process
			for range 500 {
				now = readOK(t, r, Request{Want: WantAll, Only: []int{pid}}).ByPID(pid)
				if now == nil {
					t.Fatal("the process is missing")
				}
				if x := now.Exited; x != (Exited{}) {
					t.Fatalf("threads that have exited: %+v", x)
				}
			}
			if len(now.Threads) < 40 || now.Switches.Voluntary.V < 40 {
				t.Errorf("%d threads, %d switches: nothing happened", len(now.Threads), now.Switches.Voluntary.V)
			}
			if r.totals == nil {
				t.Log("taskstats cannot be asked here")
			}
		})
	}
}
