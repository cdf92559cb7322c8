package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskscope/inspect"
	"taskscope/load/verify"
)

// The observer is the second pair of eyes of `load verify`: a process of its
// own that is told nothing but the PID at the root of the tree, and finds
// everything else by reading the kernel.
//
// Each line on its stdin asks for an observation: "light TAG" of the tree,
// "full TAG" also of the whole host and of the segments of each process, "last
// TAG" the same and the states that were traced until then. In between it observes the tree by itself, at jittered intervals, so that its
// rhythm cannot match that of the load. Observations go to stdout as a gob
// stream. End of input ends it.

// observation is what the observer sends: snapshots taken one after the other.
type observation struct {
	Tag  string // of the line that asked for it, "" when nobody did
	Host *inspect.Snapshot
	Tree *inspect.Snapshot
	Each []*inspect.Snapshot // one process each, with its segments
	// Trace is what the tracer has added up, nil where it cannot be had.
	Trace *inspect.TraceSums
	// History is what it saw of states, in the last observation of a run.
	History *verify.History
	Err     string // why something is missing
}

// The pause before the observer looks by itself: seldom enough to use little
// CPU, and long enough to leave the load alone when it begins.
const (
	observeMin    = 120 * time.Millisecond
	observeJitter = 130 * time.Millisecond
)

// maxEach bounds how many processes have their segments read per observation.
const maxEach = 32

func newObserveCommand(a *app) *cobra.Command {
	var want, still, detail uint32
	var needs verify.Needs
	c := &cobra.Command{
		Use:    "observe PID",
		Short:  "Observe a tree of processes for load verify (gob on stdout)",
		Hidden: true,
		Args:   onePID,
		RunE: func(cmd *cobra.Command, args []string) error {
			pid, err := parsePID(args[0])
			if err != nil {
				return err
			}
			nameSelf("taskscope")
			needs.Want, needs.Still, needs.Detail = inspect.Want(want), inspect.Want(still), inspect.DetailWant(detail)
			return a.observe(cmd.Context(), pid, needs)
		},
	}
	c.Flags().Uint32Var(&want, "want", 0, "groups of files to read besides the usual ones")
	c.Flags().Uint32Var(&still, "still", 0, "groups of files to read besides when asked for a full observation")
	c.Flags().Uint32Var(&detail, "detail", 0, "details of each process to read every time")
	c.Flags().BoolVar(&needs.States, "states", false, "trace every change of state")
	c.Flags().BoolVar(&needs.Rescan, "rescan", false, "look for new processes of the tree every time")
	return c
}

// observe serves until its input ends.
func (a *app) observe(ctx context.Context, pid int, needs verify.Needs) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines, ended := readLines(ctx, a.stdin)
	o := &observer{app: a, root: pid, needs: needs}
	var err error
	if o.host, err = a.openReader(); err != nil {
		return err
	}
	defer o.host.Close()
	unasked := func() bool { return isClosed(ended) && len(lines) == 0 }
	if unasked() { // who would ask was killed: to open more only delays our end
		return nil
	}
	if o.tree, err = a.openReader(); err != nil {
		return err
	}
	defer o.tree.Close()
	if unasked() {
		return nil
	}
	// Before the first look, so that its price falls into no measured phase.
	o.tracer = a.traceTree(ctx, pid, needs.States)
	if o.tracer != nil {
		defer o.tracer.Close()
	}
	if o.tracer != nil && needs.States {
		o.states = followStates(o.tracer)
		defer o.endStates()
	}
	return o.serve(ctx, lines, gob.NewEncoder(a.stdout))
}

// readLines reads until in ends, and tells of the end at once, even while a
// line has not been taken. Its goroutine ends with the process when in never
// ends.
func readLines(ctx context.Context, in io.Reader) (<-chan string, <-chan struct{}) {
	lines, ended := make(chan string, 16), make(chan struct{})
	go func() {
		defer close(lines)
		defer close(ended)
		for text := bufio.NewScanner(in); text.Scan(); {
			select {
			case lines <- text.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines, ended
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// observer belongs to one goroutine.
type observer struct {
	*app
	root       int
	needs      verify.Needs
	host, tree *inspect.Reader
	pids       []int           // of the tree, as last found
	tracer     *inspect.Tracer // nil where it cannot be had
	states     *stateLog       // nil where it is not needed any more
}

// endStates ends the tracing of states; nil where there was none.
func (o *observer) endStates() *verify.History {
	if o.states == nil {
		return nil
	}
	h := o.states.finish(o.tracer)
	o.states = nil
	return h
}

func (o *observer) serve(ctx context.Context, lines <-chan string, out *gob.Encoder) error {
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	for {
		var seen observation
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line, ok := <-lines:
			if !ok {
				return nil
			}
			kind, tag, _ := strings.Cut(line, " ")
			seen = o.look(ctx, kind != "light")
			if seen.Tag = tag; kind == "last" {
				seen.History = o.endStates()
			}
		case <-pause.C:
			seen = o.look(ctx, false)
		}
		if err := out.Encode(&seen); err != nil {
			return fmt.Errorf("send an observation: %w", err)
		}
		pause.Reset(observeMin + rand.N(observeJitter))
	}
}

// look makes one observation.
func (o *observer) look(ctx context.Context, full bool) observation {
	var seen observation
	began := int64(0) // of the search for the tree
	if full || o.pids == nil || o.needs.Rescan {
		s, err := o.host.Read(ctx, inspect.Request{Want: inspect.WantCPUClock | inspect.WantHost})
		if err != nil {
			seen.Err = err.Error()
			return seen
		}
		o.pids, began = treePIDs(s, o.root), s.MonoNS
		if full {
			seen.Host = s
		}
	}
	if len(o.pids) == 0 {
		return seen
	}
	more := o.needs.Want
	if full {
		more |= o.needs.Still
	}
	s, err := o.tree.Read(ctx, treeRequest(o.pids, more))
	if err != nil {
		seen.Err = err.Error()
		return seen
	}
	if began != 0 { // the search is part of the observation, which ends as late as before
		whole := *s
		whole.MonoNS, whole.Cost.Wall = began, s.Cost.Wall+time.Duration(s.MonoNS-began)
		s = &whole
	}
	seen.Tree, seen.Trace = s, traceSums(o.tracer)
	detail := o.needs.Detail
	if full {
		detail |= inspect.DetailSegments | inspect.DetailSched | inspect.DetailPressure
	}
	if detail != 0 {
		seen.Each, err = o.details(ctx, detail)
		if err != nil {
			seen.Err = err.Error()
		}
	}
	return seen
}

// treeRequest asks for everything a promise can be about, of these processes.
func treeRequest(pids []int, more inspect.Want) inspect.Request {
	return inspect.Request{
		Want: inspect.WantStatus | inspect.WantSchedstat | inspect.WantThreads | inspect.WantCPUClock | inspect.WantTotals | more,
		Only: pids,
	}
}

// details reads details of each process, by a fresh reader: one that has
// read them before may give those of then.
func (o *observer) details(ctx context.Context, detail inspect.DetailWant) ([]*inspect.Snapshot, error) {
	r, err := o.openReader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []*inspect.Snapshot
	for _, pid := range o.pids[:min(len(o.pids), maxEach)] {
		s, err := r.Read(ctx, inspect.Request{Only: []int{pid}, Focus: pid, Want: inspect.WantThreads, Detail: detail})
		if err != nil {
			return out, err
		}
		out = append(out, s)
	}
	return out, nil
}

// treePIDs are the PIDs of the subtree of root, root first, by parent PIDs.
func treePIDs(s *inspect.Snapshot, root int) []int {
	if s.ByPID(root) == nil {
		return nil
	}
	kids := map[int][]int{}
	for _, p := range s.Processes {
		if parent, ok := p.PPID.Get(); ok && p.ID.PID != root {
			kids[parent] = append(kids[parent], p.ID.PID)
		}
	}
	found := []int{root}
	for i := 0; i < len(found) && len(found) <= len(s.Processes); i++ {
		found = append(found, kids[found[i]]...)
	}
	return found
}
