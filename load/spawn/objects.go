package spawn

import (
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// Objects lie behind the tables of the arena, each on cache lines of its own:
// its value in the first, what it is made of in those after it. Shared memory
// lies on pages of its own. native/ipc.h has the same places.
const objectLine = 64

// maxObjects and maxQueue bound what validate accepts. A queue is accounted to
// the user (RLIMIT_MSGQUEUE, 800 KiB by default) at about its size.
const (
	maxObjects = 64
	maxQueue   = 64 << 10
)

// objectMemory is how much of the arena an object takes.
func objectMemory(o *load.Object) uint64 {
	switch o.Kind {
	case load.ObjectLock, load.ObjectBarrier:
		return 3 * objectLine
	case load.ObjectCounter:
		return objectLine
	case load.ObjectWords:
		return objectLine * uint64(1+o.Count)
	case load.ObjectShared:
		return pageUp(o.Bytes)
	case load.ObjectQueue:
		return objectLine // its name
	case load.ObjectLog:
		return uint64(align64(uintptr(o.Count) * unsafe.Sizeof(arenaMark{})))
	}
	return 0
}

// placeObjects gives every object its memory from the offset on and returns
// where the arena ends, in whole pages. With nil nothing is written.
func placeObjects(p *load.Plan, offset uint64, objects []arenaObject) uint64 {
	offset = uint64(align64(uintptr(offset)))
	for _, shared := range []bool{false, true} {
		if shared {
			offset = pageUp(offset)
		}
		for i := range p.Objects {
			if (p.Objects[i].Kind == load.ObjectShared) != shared {
				continue
			}
			if objects != nil {
				objects[i].memory = offset
			}
			offset += objectMemory(&p.Objects[i])
		}
	}
	return pageUp(offset)
}

func (a *arena) fillObjects(p *load.Plan) {
	for i := range p.Objects {
		o := &p.Objects[i]
		a.objects[i] = arenaObject{kind: uint32(o.Kind), count: uint32(o.Count), bytes: o.Bytes, fd: [2]int32{-1, -1}}
	}
	end := a.head.objectsOff + uint64(len(p.Objects))*uint64(unsafe.Sizeof(arenaObject{}))
	placeObjects(p, end, a.objects)
}

// nameQueues writes the names under which the root opens the message queues.
func (a *arena) nameQueues(runID string) {
	for i := range a.objects {
		if load.ObjectKind(a.objects[i].kind) == load.ObjectQueue {
			name := queueName(runID, i)
			copy(a.mem[a.objects[i].memory:][:objectLine-1], name)
		}
	}
}

// queueName has no slash in front: that is the C library's, not the kernel's.
func queueName(runID string, object int) string { return fmt.Sprintf("ts-%s-%d", runID, object) }

// unlinkQueue removes a message queue whose root was killed between making and
// unlinking it; true when there was one.
func unlinkQueue(runID string, object int) bool {
	name, err := unix.BytePtrFromString(queueName(runID, object))
	if err != nil {
		return false
	}
	_, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0)
	return errno == 0
}

// unlinkQueues removes what a run may have left of its message queues, and gives
// their names.
func unlinkQueues(runID string) (names []string) {
	for i := range maxObjects {
		if unlinkQueue(runID, i) {
			names = append(names, queueName(runID, i))
		}
	}
	return names
}

// objectValues reads what the objects say of themselves.
func (a *arena) objectValues(p *load.Plan) []load.ManifestObject {
	if len(p.Objects) == 0 {
		return nil
	}
	list := make([]load.ManifestObject, len(p.Objects))
	for i := range p.Objects {
		list[i].Role = p.Objects[i].Role
		switch p.Objects[i].Kind {
		case load.ObjectLock, load.ObjectCounter, load.ObjectBarrier:
			list[i].Value = atomic.LoadUint64((*uint64)(unsafe.Pointer(&a.mem[a.objects[i].memory])))
		case load.ObjectListener:
			list[i].Value = uint64(atomic.LoadUint32(&a.objects[i].port))
		case load.ObjectLog:
			list[i].Log = a.log(i, p.Objects[i].Count)
		}
	}
	return list
}

// arenaMark is an entry of a log, as in native/ops_pages.h.
type arenaMark struct {
	fromNS, untilNS int64
	pages, _        uint64
}

// log reads what a worker has noted so far.
func (a *arena) log(object, count int) []load.LogEntry {
	var list []load.LogEntry
	marks := table[arenaMark](a.mem, a.objects[object].memory, uint32(count))
	for i := range marks {
		m := &marks[i]
		from := atomic.LoadInt64(&m.fromNS)
		if from == 0 {
			break
		}
		list = append(list, load.LogEntry{FromNS: from, UntilNS: atomic.LoadInt64(&m.untilNS), Pages: m.pages})
	}
	return list
}

// validateObjects refuses objects that cannot be made.
func validateObjects(p *load.Plan) error {
	if len(p.Objects) > maxObjects {
		return fmt.Errorf("%d objects: at most %d", len(p.Objects), maxObjects)
	}
	for i := range p.Objects {
		o := &p.Objects[i]
		switch o.Kind {
		case load.ObjectLock, load.ObjectCounter, load.ObjectBarrier, load.ObjectPipe, load.ObjectSocket, load.ObjectListener:
		case load.ObjectWords:
			if o.Count < 1 || o.Count > 1<<16 {
				return fmt.Errorf("object %d: %d words: want 1 to %d", i, o.Count, 1<<16)
			}
		case load.ObjectLog:
			if o.Count < 1 || o.Count > 1<<16 {
				return fmt.Errorf("object %d: a log of %d entries: want 1 to %d", i, o.Count, 1<<16)
			}
		case load.ObjectShared:
			if o.Bytes == 0 || o.Bytes > 1<<40 {
				return fmt.Errorf("object %d: %d bytes of shared memory", i, o.Bytes)
			}
		case load.ObjectQueue:
			if o.Count < 1 || o.Bytes < 1 || o.Count > maxQueue || o.Bytes > maxQueue || uint64(o.Count)*o.Bytes > maxQueue {
				return fmt.Errorf("object %d: a queue of %d messages of %d bytes", i, o.Count, o.Bytes)
			}
		default:
			return fmt.Errorf("object %d: kind %d is not known", i, o.Kind)
		}
	}
	return nil
}

// channelKinds carry messages of messageBytes.
var channelKinds = []load.ObjectKind{load.ObjectPipe, load.ObjectSocket, load.ObjectQueue}

// messageBytes is the size of every message, as in native/ops_ipc.h.
const messageBytes = 8

// workObjects says on which kinds of objects an operation works; nil for one
// that uses none.
func workObjects(k load.OpKind) []load.ObjectKind {
	switch k {
	case load.OpLock, load.OpTurns, load.OpTake, load.OpGive:
		return []load.ObjectKind{load.ObjectLock}
	case load.OpAdd, load.OpCollect:
		return []load.ObjectKind{load.ObjectCounter}
	case load.OpMeet:
		return []load.ObjectKind{load.ObjectBarrier}
	case load.OpPost, load.OpAwait:
		return []load.ObjectKind{load.ObjectWords}
	case load.OpChunks:
		return []load.ObjectKind{load.ObjectShared}
	case load.OpPace:
		return []load.ObjectKind{load.ObjectLog}
	case load.OpSend, load.OpReceive:
		return channelKinds
	case load.OpPing:
		return append([]load.ObjectKind{load.ObjectWords}, channelKinds...)
	case load.OpServe, load.OpConnect, load.OpRequest, load.OpFetch, load.OpAnswer:
		return []load.ObjectKind{load.ObjectListener}
	}
	return nil
}

// object finds an object that must be of one of these kinds.
func object(p *load.Plan, op load.OpKind, index uint64, kinds ...load.ObjectKind) (*load.Object, error) {
	if index >= uint64(len(p.Objects)) {
		return nil, fmt.Errorf("kind %d: there is no object %d", op, index)
	}
	o := &p.Objects[index]
	if !slices.Contains(kinds, o.Kind) {
		return nil, fmt.Errorf("kind %d does not work on object %d of kind %d", op, index, o.Kind)
	}
	return o, nil
}

// validateOpObject checks the objects an operation names.
func validateOpObject(p *load.Plan, o load.Op) error {
	kinds := workObjects(o.Kind)
	if kinds == nil {
		return nil
	}
	own, err := object(p, o.Kind, uint64(o.Object), kinds...)
	if err != nil {
		return err
	}
	if own.Kind == load.ObjectQueue && own.Bytes != messageBytes {
		return fmt.Errorf("kind %d: messages of %d bytes, want %d", o.Kind, own.Bytes, messageBytes)
	}
	switch o.Kind {
	case load.OpAdd:
		if o.B == load.AddLocked {
			_, err = object(p, o.Kind, o.C, load.ObjectLock)
		}
	case load.OpPost, load.OpAwait:
		if o.A >= uint64(own.Count) {
			err = fmt.Errorf("kind %d: word %d of %d", o.Kind, o.A, own.Count)
		}
	case load.OpChunks:
		if o.A > own.Bytes {
			err = fmt.Errorf("kind %d: %d elements in %d bytes", o.Kind, o.A, own.Bytes)
		} else {
			_, err = object(p, o.Kind, o.C, load.ObjectCounter)
		}
	case load.OpPing:
		_, err = object(p, o.Kind, o.B, own.Kind)
		if err == nil && own.Kind == load.ObjectWords && own.Count < pingWords {
			err = fmt.Errorf("kind %d: %d words, want %d", o.Kind, own.Count, pingWords)
		}
	case load.OpPace:
		if steps := (o.A + o.C - 1) / o.C; steps > uint64(own.Count) {
			err = fmt.Errorf("kind %d: %d steps and a log of %d entries", o.Kind, steps, own.Count)
		}
	case load.OpAnswer:
		_, err = object(p, o.Kind, o.C, load.ObjectCounter)
	}
	return err
}

// pingWords is the number of words OpPing uses: the first is left to others.
const pingWords = 3

// planDescriptors is how many descriptors the objects take in each process.
func planDescriptors(p *load.Plan) int {
	n := 0
	for i := range p.Objects {
		n += p.Objects[i].Kind.Descriptors()
	}
	return n
}

// goSupports refuses a plan that only the native worker can execute.
func goSupports(p *load.Plan) error {
	if len(p.Objects) > 0 {
		return fmt.Errorf("%w: tier go: %s shares locks, memory or channels between its workers, which only the native tier offers", load.ErrUsage, p.Scenario)
	}
	for i := range p.Processes {
		for j := range p.Processes[i].Threads {
			t := &p.Processes[i].Threads[j]
			if slices.ContainsFunc(slices.Concat(t.Setup, t.Ops), func(o load.Op) bool { return o.Kind >= load.OpExit && o.Kind <= load.OpIO }) {
				return fmt.Errorf("%w: tier go: %s forks, fails or maps files in its workers, which a language runtime does not survive; only the native tier offers that", load.ErrUsage, p.Scenario)
			}
		}
	}
	return nil
}
