package bpf

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/link"
)

// Steps of the seed program.
const (
	seedIdentify = iota
	seedRoot
	seedTree
	seedThreads
)

// Start finds the targets, attaches the programs, lets them run all at once,
// and then tells them about the threads that exist, of which they would
// otherwise know nothing until these move. ErrNoProcess: a target is not there.
func (t *Tracer) Start() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.started != 0 {
		return errors.New("trace: already started")
	}
	self := iterFilter{tid: uint32(os.Getpid())}
	if found, err := t.seed(seedIdentify, self); err != nil {
		return explain("identify tracer", err)
	} else if !found {
		return mismatch("identify tracer", "the iterator does not show our own process")
	}
	for _, pid := range t.opt.Targets {
		if err := t.set(tracerVarSeedRoot, uint32(pid)); err != nil {
			return err
		}
		found, err := t.seed(seedRoot, iterFilter{tid: uint32(pid)})
		if err != nil {
			return explain("find target", err)
		}
		if !found {
			return fmt.Errorf("trace: process %d: %w", pid, ErrNoProcess)
		}
	}
	if err := t.attach(); err != nil {
		return err
	}
	t.started = monotonic()
	if err := t.set(tracerVarEnabled, 1); err != nil {
		return err
	}
	return t.seedLiving()
}

// Try attaches the programs and detaches them again, without letting them do
// anything: it tells whether Start would work. Not after Start.
func (t *Tracer) Try() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.started != 0 {
		return errors.New("trace: already started")
	}
	err := t.attach()
	for _, l := range t.links {
		err = errors.Join(err, l.Close())
	}
	t.links = nil
	return err
}

// attach attaches every program that is left but the iterator.
func (t *Tracer) attach() error {
	for name, prog := range t.coll.Programs {
		if name == tracerProgSeed {
			continue
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: prog})
		if err != nil {
			return explain("attach "+name, err)
		}
		t.links = append(t.links, l)
	}
	return nil
}

// seedLiving adds the descendants that exist, until a pass finds no more, and
// then the threads. Whoever is born meanwhile is seen by the programs.
func (t *Tracer) seedLiving() error {
	if t.opt.Descendants {
		for range seedPasses {
			found, err := t.seed(seedTree, iterFilter{})
			if err != nil {
				return explain("find descendants", err)
			}
			if !found {
				break
			}
		}
	}
	filter := iterFilter{}
	if t.mode == modeOne {
		filter.tgid = uint32(t.opt.Targets[0])
	}
	_, err := t.seed(seedThreads, filter)
	return explain("find living threads", err)
}

// seed runs the seed program over the tasks of a filter.
func (t *Tracer) seed(step uint32, filter iterFilter) (found bool, err error) {
	if err := errors.Join(t.set(tracerVarStep, step), t.set(tracerVarSeedFound, 0)); err != nil {
		return false, err
	}
	// The program writes nothing; reading is what makes it run.
	_, err = runFiltered(t.coll.Programs[tracerProgSeed], filter, newBuffer(4096), []uint64(nil))
	if err != nil {
		return false, err
	}
	var n uint32
	err = t.coll.Variables[tracerVarSeedFound].Get(&n)
	return n != 0, err
}

func (t *Tracer) set(name string, v uint32) error {
	if err := t.coll.Variables[name].Set(v); err != nil {
		return explain("set "+name, err)
	}
	return nil
}
