package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"taskscope/inspect"
	"taskscope/load"
	"taskscope/load/verify"
)

// witness is an observer process as its parent sees it. It belongs to one
// goroutine, besides the one that receives.
type witness struct {
	cmd    *exec.Cmd
	lines  io.WriteCloser
	stderr bytes.Buffer
	tags   int

	mu       sync.Mutex
	seen     []observation
	failed   error         // why nothing more will come
	arrived  chan struct{} // replaced whenever something has come
	received sync.WaitGroup
}

// startWitness starts the observer of the tree below root. needs says which
// files it must read besides the usual ones, not what to expect in them.
func (a *app) startWitness(root int, needs verify.Needs) (*witness, error) {
	w := &witness{arrived: make(chan struct{})}
	w.cmd = exec.Command("/proc/self/exe", "observe", strconv.Itoa(root), "--source", a.source, "--proc-root", a.procRoot,
		fmt.Sprintf("--want=%d", needs.Want), fmt.Sprintf("--still=%d", needs.Still), fmt.Sprintf("--detail=%d", needs.Detail),
		fmt.Sprintf("--rescan=%v", needs.Rescan), fmt.Sprintf("--states=%v", needs.States))
	w.cmd.Args[0] = "taskscope"
	// A group of its own: Ctrl-C is for us to answer.
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.cmd.Stderr = &w.stderr
	var err error
	if w.lines, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the observer: %w", err)
	}
	w.received.Add(1)
	go func() {
		defer w.received.Done()
		w.receive(gob.NewDecoder(out))
	}()
	return w, nil
}

func (w *witness) receive(in *gob.Decoder) {
	for {
		var o observation
		err := in.Decode(&o)
		w.mu.Lock()
		if err != nil {
			w.failed = err
		} else {
			w.seen = thin(append(w.seen, o))
		}
		close(w.arrived)
		w.arrived = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// maxUnasked bounds how many observations that nobody asked for are kept, so
// that a load can be watched for a day.
const maxUnasked = 256

// thin drops every second of the observations that nobody asked for when they
// have become too many; the first and the last of them stay.
func thin(seen []observation) []observation {
	unasked := 0
	for i := range seen {
		if seen[i].Tag == "" {
			unasked++
		}
	}
	if unasked <= maxUnasked {
		return seen
	}
	kept, n := seen[:0], 0
	for _, o := range seen {
		if o.Tag == "" {
			if n++; n%2 == 0 && n != unasked {
				continue
			}
		}
		kept = append(kept, o)
	}
	clear(seen[len(kept):])
	return kept
}

// look asks for one observation and waits for it.
func (w *witness) look(ctx context.Context, kind, phase string) (*observation, error) {
	w.tags++
	tag := phase + " " + strconv.Itoa(w.tags)
	if _, err := fmt.Fprintf(w.lines, "%s %s\n", kind, tag); err != nil {
		return nil, w.explain(err)
	}
	for {
		w.mu.Lock()
		arrived, failed := w.arrived, w.failed
		for i := len(w.seen) - 1; i >= 0; i-- {
			if w.seen[i].Tag == tag {
				o := w.seen[i]
				w.mu.Unlock()
				if o.Err != "" {
					return nil, fmt.Errorf("the observer: %s", o.Err)
				}
				return &o, nil
			}
		}
		w.mu.Unlock()
		if failed != nil {
			return nil, w.explain(failed)
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// explain adds what the observer said before it ended.
func (w *witness) explain(err error) error {
	_ = w.lines.Close()
	w.received.Wait() // its end of the pipe is closed, so it has ended
	_ = w.cmd.Wait()
	if text := bytes.TrimSpace(w.stderr.Bytes()); len(text) > 0 {
		return fmt.Errorf("the observer ended: %s", text)
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the observer ended early")
	}
	return fmt.Errorf("the observer: %w", err)
}

// The search for a quiet tree: between two looks, and in all.
const (
	settlePause = 15 * time.Millisecond
	settleLimit = 3 * time.Second
)

// settle looks until every task of the tree is blocked and no counter moves
// between two looks, then looks at everything. It gives up quietly: whatever
// still moves then is for the judge to see.
func (w *witness) settle(ctx context.Context, phase string) error {
	limit := time.Now().Add(settleLimit)
	var before *inspect.Snapshot
	for time.Now().Before(limit) {
		o, err := w.look(ctx, "light", phase)
		if err != nil {
			return err
		}
		if before != nil && o.Tree != nil && quiet(before, o.Tree) {
			break
		}
		before = o.Tree
		if err := pause(ctx, settlePause); err != nil {
			return err
		}
	}
	kind := "full"
	if phase == string(load.WhenParked) {
		kind = "last"
	}
	_, err := w.look(ctx, kind, phase)
	return err
}

// quiet says whether nothing ran in a tree between two snapshots.
func quiet(a, b *inspect.Snapshot) bool {
	if len(a.Processes) != len(b.Processes) {
		return false
	}
	for i, p := range b.Processes {
		q := a.Processes[i]
		if p.ID != q.ID || len(p.Threads) != len(q.Threads) {
			return false
		}
		for k := range p.Threads {
			s, t := &q.Threads[k], &p.Threads[k]
			if t.State == 'R' || s.ID != t.ID || s.Voluntary != t.Voluntary || s.Slices != t.Slices {
				return false
			}
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the observer and waits for it.
func (w *witness) close() {
	_ = w.lines.Close()
	w.received.Wait()
	_ = w.cmd.Wait()
}

// samples labels what was seen with the phases of the run. The order of asking
// labels what was asked for; the clock labels the rest.
func (w *witness) samples(m *load.Manifest) []verify.Sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	return labelled(m, w.seen)
}

// liveAfter is how long the workers are left alone, once the last of them has
// begun, before a sample counts: long enough to have come to their first wait
// even if they are preempted on the way.
const liveAfter = 100 * time.Millisecond

func labelled(m *load.Manifest, seen []observation) []verify.Sample {
	var out []verify.Sample
	for _, o := range seen {
		phase := phaseOfTag(o.Tag)
		asked := phase != ""
		if !asked && o.Tree != nil && isLive(m, o.Tree) {
			phase = load.WhenLive
		}
		if phase == "" {
			continue
		}
		if o.Host != nil {
			out = append(out, verify.Sample{Phase: phase, Reach: verify.ReachHost, Snapshot: o.Host})
		}
		if o.Tree != nil {
			out = append(out, verify.Sample{Phase: phase, Reach: verify.ReachTree, Snapshot: o.Tree, Trace: o.Trace, History: o.History})
		}
		for _, s := range o.Each {
			if !asked && !isLive(m, s) { // read after the tree, perhaps after the phase
				continue
			}
			out = append(out, verify.Sample{Phase: phase, Reach: verify.ReachOne, Snapshot: s})
		}
	}
	return out
}

func isLive(m *load.Manifest, s *inspect.Snapshot) bool {
	when, ok := verify.PhaseOf(m, s, int64(liveAfter))
	return ok && when == load.WhenLive
}

func phaseOfTag(tag string) load.When {
	for _, when := range []load.When{load.WhenReady, load.WhenParked, load.WhenGone} {
		if len(tag) > len(when) && tag[:len(when)] == string(when) && tag[len(when)] == ' ' {
			return when
		}
	}
	return ""
}
