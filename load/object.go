package load

// ObjectKind is what the workers of a run share besides their address space.
type ObjectKind uint32

// The kinds. Those in memory lie in the memory that all workers of a run have
// mapped, so they work between threads and between processes alike; those that
// are descriptors are opened by the root before it forks, so every process has
// them under the same number.
const (
	ObjectNone     ObjectKind = iota
	ObjectLock                // a futex lock; its value is how often it was acquired, counted by the owners
	ObjectCounter             // a number; its value is that number
	ObjectWords               // Count futex words; its value is not used
	ObjectBarrier             // a place where workers meet; its value is how often they did
	ObjectShared              // Bytes of memory on pages of its own
	ObjectPipe                // a pipe
	ObjectSocket              // a pair of connected stream sockets
	ObjectQueue               // a POSIX message queue of Count messages of Bytes each; without a name once it is open
	ObjectListener            // a TCP socket that listens on a free port of 127.0.0.1; its value is the port
	ObjectLog                 // Count entries that one worker writes, see LogEntry; its value is not used
)

// Object is one thing shared by the workers of a run. Operations name it by
// its index in Plan.Objects.
type Object struct {
	Kind  ObjectKind `json:"kind"`
	Role  string     `json:"role"`
	Bytes uint64     `json:"bytes,omitempty"`
	Count int        `json:"count,omitempty"`
}

// Descriptors is how many file descriptors the kind takes in every process.
func (k ObjectKind) Descriptors() int {
	switch k {
	case ObjectPipe, ObjectSocket:
		return 2
	case ObjectQueue, ObjectListener:
		return 1
	}
	return 0
}

// object adds an object to a plan and gives its index.
func (p *Plan) object(o Object) int {
	p.Objects = append(p.Objects, o)
	return len(p.Objects) - 1
}
