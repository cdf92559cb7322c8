package views_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/views"
	"taskscope/views/viewtest"
)

// sleeper is a process of ours that really exists.
type sleeper struct {
	*exec.Cmd
	ended chan error
}

func startSleeper(t *testing.T) *sleeper {
	t.Helper()
	s := &sleeper{exec.Command("sleep", "1000"), make(chan error, 1)}
	if err := s.Start(); err != nil {
		t.Skipf("no sleep: %v", err)
	}
	go func() { s.ended <- s.Wait() }()
	t.Cleanup(func() { _ = s.Process.Kill() }) // it has usually ended
	return s
}

// openOn shows these processes and our own, as they are.
func openOn(t *testing.T, sleepers ...*sleeper) *viewtest.Driver {
	t.Helper()
	r, err := inspect.NewReader(inspect.Options{Source: "proc"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	pids := []int{os.Getpid()}
	for _, s := range sleepers {
		pids = append(pids, s.Process.Pid)
	}
	s, err := r.Read(t.Context(), inspect.Request{Want: inspect.WantTree, Only: pids})
	if err != nil {
		t.Fatal(err)
	}
	src := viewtest.NewSource(&inspect.Frame{Snapshot: s, Changes: inspect.Diff(nil, s)})
	d := viewtest.Open(t, views.Config{Sampler: src}, 120, 30)
	d.See("sleep")
	d.Type("/sleep")
	d.Press(tcell.KeyEnter)
	d.Selected("sleep")
	return d
}

func TestSignal(t *testing.T) {
	child := startSleeper(t)
	d := openOn(t, child)
	d.Press(tcell.KeyF9)
	d.See("signal to", "SIGTERM", "started")
	d.Press(tcell.KeyEnter)
	d.See("send SIGTERM?", "no, leave it alone")
	d.Press(tcell.KeyEnter) // the harmless answer comes first
	d.Lose("send SIGTERM?")
	d.Press(tcell.KeyCtrlX)
	d.See("signal to")
	d.Press(tcell.KeyEnter)
	d.See("send SIGTERM?")
	d.Press(tcell.KeyDown, tcell.KeyEnter)
	d.See("sent SIGTERM to")
	if err := <-child.ended; err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("ended with %v", err)
	}
	d.Press(tcell.KeyF9)
	d.See("exited")
}

func TestSignalToAllTagged(t *testing.T) {
	one, two := startSleeper(t), startSleeper(t)
	d := openOn(t, one, two)
	d.Type("m")
	d.See("1 tagged")
	d.Type("m") // the cursor has moved on to the sibling
	d.See("2 tagged")
	d.Press(tcell.KeyF9)
	d.See("signal to 2 tagged processes")
	d.Press(tcell.KeyEnter)
	d.See("send SIGTERM?", "sleep, started ")
	d.Press(tcell.KeyDown, tcell.KeyEnter)
	d.See("sent SIGTERM to 2 tagged processes")
	<-one.ended
	<-two.ended
	d.Type("U")
	d.Lose("tagged")
}

func TestTagWithChildren(t *testing.T) {
	d, _ := open(t, 120, 40)
	d.See("busy")
	d.Type("/busy")
	d.Press(tcell.KeyEnter)
	d.Selected("busy")
	d.Type("c")
	d.See("2 tagged")
	d.Golden("tree_tagged")
	d.Type("m") // takes one of the two tags away
	d.See("1 tagged")
}

func TestNice(t *testing.T) {
	child := startSleeper(t)
	nice := func() int {
		n, err := unix.Getpriority(unix.PRIO_PROCESS, child.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return 20 - n // the system call gives 40…1
	}
	before := nice()
	if before > 14 {
		t.Skipf("nice value %d leaves no room", before)
	}
	d := openOn(t, child)
	d.Press(tcell.KeyF8)
	d.See("nicer", "sleep, started", "from")
	d.Press(tcell.KeyDown, tcell.KeyEnter)
	d.See("change nice from", "no, leave it alone")
	d.Press(tcell.KeyDown, tcell.KeyEnter)
	d.See("changed nice from")
	if got := nice(); got != before+2 {
		t.Errorf("nice value %d, want %d", got, before+2)
	}
}

func TestAffinity(t *testing.T) {
	child := startSleeper(t)
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(child.Process.Pid, &set); err != nil {
		t.Fatal(err)
	}
	if !set.IsSet(0) {
		t.Skip("CPU 0 is not ours")
	}
	d := openOn(t, child)
	d.Type("a")
	d.See("CPUs for", "sleep, started")
	d.Press(tcell.KeyCtrlU)
	d.Type("x")
	d.See("a list of CPUs")
	d.Press(tcell.KeyCtrlU)
	d.Type("0")
	d.Press(tcell.KeyEnter)
	d.See("allow only CPUs 0?", "no, leave it alone")
	d.Press(tcell.KeyDown, tcell.KeyEnter)
	d.See("allowed only CPUs 0 to")
	if err := unix.SchedGetaffinity(child.Process.Pid, &set); err != nil || set.Count() != 1 || !set.IsSet(0) {
		t.Errorf("%d CPUs allowed: %v", set.Count(), err)
	}
}

func TestReadOnlyActsOnNothing(t *testing.T) {
	d, _ := open(t, 100, 30, func(c *views.Config) { c.ReadOnly = true })
	d.See("busy")
	d.Press(tcell.KeyF9)
	d.See("Signal: read-only")
	d.Press(tcell.KeyF7)
	d.See("Nice -: read-only")
	d.Press(tcell.KeyF8)
	d.See("Nice +: read-only")
	d.Type("a")
	d.See("CPUs: read-only")
}
