package inspect

import "time"

// Scope says what a number is about.
type Scope string

// The scopes.
const (
	ScopeThread      Scope = "thread"
	ScopeProcess     Scope = "process"      // all threads, exited ones included
	ScopeProcessLive Scope = "process_live" // living threads
	ScopeLeader      Scope = "leader"       // the main thread alone
	ScopeSubtree     Scope = "subtree"
	ScopeHost        Scope = "host"
)

// Kind is the type of a field's values.
type Kind uint8

// The kinds.
const (
	KindInt     Kind = iota // I
	KindUint                // U
	KindFloat               // F
	KindString              // S, raw bytes of the kernel: sanitise before showing
	KindBool                // B
	KindStrings             // L
	KindTime                // T
)

// Unit is the unit of a field's values.
type Unit string

// The units. The JSON name of a field ends in its unit where it has one.
const (
	UnitNone    Unit = ""
	UnitBytes   Unit = "bytes"
	UnitNS      Unit = "ns"
	UnitPercent Unit = "percent" // of one CPU
	UnitPerSec  Unit = "per_second"
	UnitBytesPS Unit = "bytes_per_second"
	UnitCount   Unit = "count"
	UnitTicks   Unit = "ticks"
)

// Value is one field of one row: known in the member its Kind names, or
// unknown with the reason.
type Value struct {
	Kind Kind
	Why  Why
	I    int64
	U    uint64
	F    float64
	S    string
	B    bool
	L    []string
	T    time.Time
}

// OK reports whether the value is known.
func (v Value) OK() bool { return v.Why == OK }

// Row is what a field's getter looks at. Thread is nil for a process row.
type Row struct {
	Snapshot    *Snapshot
	Process     *Process
	Delta       *Delta // nil: no second sample
	Thread      *Thread
	ThreadDelta *ThreadDelta
}

// Field describes one value taskscope knows about processes and threads.
type Field struct {
	ID      string // snake_case, the JSON name; unit as suffix
	Title   string // short column heading
	Unit    Unit
	Kind    Kind
	Scope   Scope    // of the value in a process row
	Thread  bool     // also defined for thread rows (scope thread there)
	Want    Want     // what has to be read for it
	Sources []string // kernel files and fields, "status:VmRSS"; in order of preference
	Rate    bool     // needs two samples
	Width   int      // columns in a table
	Left    bool     // left-aligned in tables
	Desc    bool     // largest first is the natural order
	Doc     string   // one plain sentence of meaning
	Get     func(Row) Value
}
