package verify

import (
	"slices"

	"taskscope/inspect"
)

// Measure is something that is measured of a job, so that two ways of doing it
// can be compared.
type Measure struct {
	ID    string // with the unit in the name
	Label string
	Unit  string // ns, bytes, count, percent, per_second, "" for a text or a plain number
	Doc   string
	// Sources are the files of the kernel it is read from, or who else tells it.
	Sources []string
	// Caution is what has to be known before the number is used, "" for most.
	Caution string
}

// The ids of the measures that a comparison reasons about.
const (
	MeasureWall        = "wall_time_ns"
	MeasureCPU         = "cpu_time_ns"
	MeasureParallelism = "parallelism"
	MeasureCreation    = "creation_time_per_worker_ns"
	MeasurePSS         = "pss_bytes"
	MeasurePrivate     = "private_bytes"
	MeasureRSS         = "rss_bytes"
	MeasurePageTables  = "page_table_bytes"
	MeasureVoluntary   = "voluntary_switches"
	MeasureInvoluntary = "involuntary_switches"
	MeasureSwitchCost  = "cost_per_switch_ns"
	MeasureFaults      = "minor_faults"
	MeasureFDs         = "fds"
	MeasureProcesses   = "processes"
	MeasureTasks       = "tasks"
	MeasureEnded       = "tasks_ended"
	MeasureResult      = "result"
	MeasureStartCPU    = "start_cpu_time_ns"

	measureReady       = "ready_time_ns"
	measureStartFaults = "start_minor_faults"
)

// Measures is the table of what is measured of a run, in the order of the rows.
func Measures() []Measure {
	return slices.Concat(timeMeasures(), memoryMeasures(), otherMeasures())
}

func timeMeasures() []Measure {
	return []Measure{
		{ID: MeasureWall, Label: "wall time", Unit: "ns", Doc: "How long the job took: from the first worker's begin to the last one's end of its job, by their own clock; where they do nothing but wait, until the wait is over.", Sources: []string{"report"}},
		{ID: MeasureCPU, Label: "CPU time", Unit: "ns", Doc: "Time on a CPU of all tasks of the run together, from the gate to the end: waking up and parking included.", Sources: fieldSources("cpu_time_ns")},
		{ID: measureReady, Label: "waiting for a CPU", Unit: "ns", Doc: "Time in which tasks were ready to run and waited for a CPU, added up over all of them.", Sources: fieldSources("ready_ns")},
		{ID: MeasureParallelism, Label: "parallelism", Doc: "CPU time divided by wall time, both of the job alone: how many tasks ran at once, on average.", Sources: []string{"report"}},
		{ID: MeasureCreation, Label: "creation, per worker", Unit: "ns", Doc: "Time to have a worker: until the call that makes it returns, where the job is to make them; else from the start of the root until every worker waits at the gate, divided by their number.", Sources: []string{"runner", "report"}},
		{ID: MeasureStartCPU, Label: "CPU time before the job", Unit: "ns", Doc: "Time on a CPU that all tasks of the run together had used before the gate opened: for making the workers and getting them ready.", Sources: fieldSources("cpu_time_ns")},
	}
}

func memoryMeasures() []Measure {
	return []Measure{
		{ID: MeasurePSS, Label: "memory (PSS)", Unit: "bytes", Doc: "Memory in RAM when the job is done, each page divided by the number of processes that map it. This adds up over processes.", Sources: fieldSources("pss_bytes")},
		{ID: MeasurePrivate, Label: "private memory", Unit: "bytes", Doc: "Memory in RAM that one process alone maps (USS), when the job is done.", Sources: fieldSources("uss_bytes")},
		{
			ID: MeasureRSS, Label: "RSS", Unit: "bytes", Doc: "Resident size when the job is done, added up over the processes.", Sources: fieldSources("rss_bytes"),
			Caution: "a page counts in full for each process that maps it, so the sum over several is more than the memory they take; PSS divides each page by the number of those who map it, and its sum is right",
		},
		{ID: MeasurePageTables, Label: "page tables", Unit: "bytes", Doc: "Memory that the kernel spends on the page tables: each address space has its own.", Sources: fieldSources("page_table_bytes")},
	}
}

func otherMeasures() []Measure {
	return []Measure{
		{ID: MeasureVoluntary, Label: "voluntary switches", Unit: "count", Doc: "Context switches because a task blocked, over all tasks, from the gate to the end; the last wait of each task is one.", Sources: fieldSources("voluntary_switches")},
		{ID: MeasureInvoluntary, Label: "involuntary switches", Unit: "count", Doc: "Context switches because the scheduler took the CPU away, over all tasks, from the gate to the end.", Sources: fieldSources("involuntary_switches")},
		{ID: MeasureSwitchCost, Label: "cost per switch", Unit: "ns", Doc: "Time from one task to the other, with the system calls that hand over, where a job does nothing else.", Sources: []string{"report"}},
		{ID: MeasureFaults, Label: "minor faults", Unit: "count", Doc: "Page faults served without reading from disk, over all processes, from the gate to the end.", Sources: fieldSources("minor_faults")},
		{ID: measureStartFaults, Label: "minor faults before", Unit: "count", Doc: "The same before the gate opened: of making the workers and getting them ready.", Sources: fieldSources("minor_faults")},
		{ID: MeasureFDs, Label: "file descriptors", Unit: "count", Doc: "Open descriptors when the job is done. Threads share the table of their process, which counts once; every process has one of its own.", Sources: fieldSources("fds")},
		{ID: MeasureProcesses, Label: "processes", Unit: "count", Doc: "Processes of the run when the job is done, the root included: so many address spaces.", Sources: fieldSources("ppid")},
		{ID: MeasureTasks, Label: "tasks", Unit: "count", Doc: "Threads of these processes when the job is done: what the scheduler deals with.", Sources: fieldSources("threads")},
		{ID: MeasureEnded, Label: "tasks that have ended", Unit: "count", Doc: "Tasks that were there at the gate and are not when the job is done: those that failed, and whom they took along.", Sources: fieldSources("tid")},
		{ID: MeasureResult, Label: "result of the job", Doc: "What the workers computed, by their own account; \"4 x 1000\" when four of them have a result of their own.", Sources: []string{"report"}},
	}
}

// RateMeasures are measured, besides, of a living process.
func RateMeasures() []Measure {
	return []Measure{
		{ID: "cpu_percent", Label: "CPU, of one", Unit: "percent", Doc: "CPU time per wall time, of one CPU.", Sources: fieldSources("cpu_percent")},
		{ID: "ready_percent", Label: "ready, of wall time", Unit: "percent", Doc: "Share of wall time ready and waiting for a CPU, summed over its threads.", Sources: fieldSources("ready_percent")},
		{ID: "voluntary_switches_per_second", Label: "voluntary switches/s", Unit: "per_second", Doc: "Voluntary context switches per second.", Sources: fieldSources("voluntary_switches_per_second")},
		{ID: "involuntary_switches_per_second", Label: "involuntary switches/s", Unit: "per_second", Doc: "Involuntary context switches per second.", Sources: fieldSources("involuntary_switches_per_second")},
		{ID: "minor_faults_per_second", Label: "minor faults/s", Unit: "per_second", Doc: "Minor page faults per second.", Sources: fieldSources("minor_faults_per_second")},
		{ID: "vsize_bytes", Label: "address space", Unit: "bytes", Doc: "Size of the address space, reserved ranges included.", Sources: fieldSources("vsize_bytes")},
		{ID: "swap_bytes", Label: "swap", Unit: "bytes", Doc: "Private anonymous memory in swap.", Sources: fieldSources("swap_bytes")},
	}
}

// fieldSources are those of a field of the inspector's table.
func fieldSources(id string) []string {
	f, ok := inspect.FieldByID(id)
	if !ok {
		return nil
	}
	return f.Sources
}

// Figure is the value of one measure, once. The zero Figure is unknown.
type Figure struct {
	Measure string
	Known   bool
	Number  float64
	Text    string // instead of Number, of a result that is no single number
	Why     string // there is no value
	Source  string // who says so: proc, bpf, trace, report, runner
}

// IsText says whether the value is a text.
func (f *Figure) IsText() bool { return f.Known && f.Text != "" }

func (r reading) figure(measure string) Figure {
	f := Figure{Measure: measure, Known: r.ok, Number: r.num, Why: r.why, Source: r.source}
	if r.isText {
		f.Number, f.Text = 0, r.str
	}
	if !r.ok {
		f.Number = 0
	}
	return f
}
