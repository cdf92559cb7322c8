package main

import "taskscope/inspect"

// The sources of what a trace tells.
const (
	fromSwitches = "BPF:sched_switch"
	fromWakes    = "BPF:sched_wakeup"
	fromKernel   = "BPF:sched_switch, schedstat"
	fromExit     = "BPF:sched_process_exit"
	fromTracer   = "the tracer"
)

// traceFields describes the members of the documents of `trace`, which `show` has
// in its member trace, and `watch`, as far as processes ended, in its member ended.
func traceFields(add func(scope inspect.Scope, kind, unit, source, id, meaning string)) {
	subtree := inspect.ScopeSubtree
	add(subtree, "integer", "ns", "clock_gettime(CLOCK_MONOTONIC)", "trace.elapsed_ns", "How long was traced.")
	add(subtree, "integer", "ns", "clock_gettime(CLOCK_MONOTONIC)", "trace.resolution_ns", "Mean time between two readings of a sampled trace, 0 when every event was seen.")
	add(subtree, "number", "", fromSwitches, "trace.parallelism", "Mean number of traced threads that were running at the same instant.")
	add(subtree, "integers", "ns", fromSwitches, "trace.running_at_once_ns", "Time with none, one, two, … of the traced threads running.")
	add(subtree, "integer", "count", fromTracer, "trace.folded_threads", "Threads that ended and are counted in their processes only.")
	add(inspect.ScopeProcess, "integer", "count", fromSwitches, "trace.processes.threads", "Living threads.")
	add(inspect.ScopeProcess, "integer", "count", fromSwitches, "trace.processes.exited_threads", "Threads that ended while they were traced.")
	add(inspect.ScopeProcess, "number", "", fromSwitches, "trace.processes.parallelism", "Mean number of its threads that were running at the same instant.")
	add(inspect.ScopeThread, "integer", "", fromSwitches, "trace.threads.cpu_last", "CPU it ran on last.")
	add(inspect.ScopeThread, "integer", "ticks", "stat:22", "trace.threads.start_ticks", "Start in clock ticks since boot; with the TID it identifies the thread.")
	add(inspect.ScopeThread, "integer", "ns", "clock_gettime(CLOCK_MONOTONIC)", "trace.threads.since_mono_ns", "Moment from which on it was followed.")
	traceCountFields(add, inspect.ScopeProcess, "trace.processes.")
	traceCountFields(add, inspect.ScopeThread, "trace.threads.")
	for _, pair := range []struct{ id, source, who, count string }{
		{"preemptions", fromSwitches, "that got the CPU", "How often the one took the CPU of the other, who could still run."},
		{"wake_ups", "BPF:sched_waking", "that was running where the wake-up was issued", "How often the one was running when the other was woken."},
	} {
		add(subtree, "integer", "", pair.source, "trace."+pair.id+".who_tid", "Thread "+pair.who+", 0 for the idle task.")
		add(subtree, "integer", "", pair.source, "trace."+pair.id+".who_pid", "Its process.")
		add(subtree, "integer", "", pair.source, "trace."+pair.id+".whom_tid", "Thread to which it happened.")
		add(subtree, "integer", "", pair.source, "trace."+pair.id+".whom_pid", "Its process.")
		add(subtree, "integer", "count", pair.source, "trace."+pair.id+".count", pair.count)
	}
	exitFields(add)
	dropFields(add)
}

// traceCountFields adds what was counted of a thread, or of a process over all
// its threads.
func traceCountFields(add func(scope inspect.Scope, kind, unit, source, id, meaning string), scope inspect.Scope, prefix string) {
	for _, f := range []struct{ id, unit, source, meaning string }{
		{"pid", "", fromSwitches, "Process ID."},
		{"run_ns", "ns", fromKernel, "Time on a CPU, as the kernel booked it at each switch."},
		{"ready_ns", "ns", fromKernel, "Time ready and waiting for a CPU, as the kernel booked it."},
		{"seen_run_ns", "ns", fromSwitches, "Time on a CPU from tracepoint to tracepoint, with what interrupts and a hypervisor took."},
		{"seen_ready_ns", "ns", fromSwitches, "Time ready from tracepoint to tracepoint."},
		{"blocked_ns", "ns", fromSwitches, "Time blocked in an interruptible sleep."},
		{"disk_ns", "ns", fromSwitches, "Time blocked uninterruptibly, mostly for storage."},
		{"stopped_ns", "ns", fromSwitches, "Time stopped by a signal or a debugger."},
		{"unknown_ns", "ns", fromSwitches, "Time before the first event that told the state."},
		{"voluntary_switches", "count", fromSwitches, "Switches because it blocked, as the kernel counted them while it was traced."},
		{"involuntary_switches", "count", fromSwitches, "Switches because the scheduler took the CPU away, likewise."},
		{"wakes", "count", fromWakes, "Wake-ups."},
		{"migrations", "count", "BPF:sched_migrate_task", "Moves from one CPU to another, every one."},
		{"missed_switches", "count", fromSwitches, "Times it left a CPU without having been seen to enter it."},
		{"switches_not_shown", "count", fromSwitches, "Switches that only the kernel counted; they are in the counts all the same."},
		{"missed_wakes", "count", fromSwitches, "Times it ran without having been seen to wake up."},
	} {
		add(scope, "integer", f.unit, f.source, prefix+f.id, f.meaning)
	}
	add(scope, "integers", "", fromSwitches, prefix+"cpus", "CPUs it ran on.")
	for _, h := range []struct{ id, what string }{
		{"latency", "from a wake-up to running"},
		{"waits", "ready, after a wake-up or after having lost the CPU"},
	} {
		for _, f := range []struct{ id, kind, unit, meaning string }{
			{"count", "integer", "count", "How many times " + h.what + " were measured."},
			{"sum_ns", "integer", "ns", "Sum of the times " + h.what + "."},
			{"max_ns", "integer", "ns", "Longest time " + h.what + "."},
			{"mean_ns", "number", "ns", "Mean time " + h.what + "."},
			{"p50_ns", "integer", "ns", "Half of the times were below; at most twice the true value."},
			{"p99_ns", "integer", "ns", "99 % of the times were below; at most twice the true value."},
			{"log2_ns", "integers", "count", "How many lay from 2^i up to 2^(i+1) nanoseconds."},
		} {
			add(scope, f.kind, f.unit, fromWakes, prefix+h.id+"."+f.id, f.meaning)
		}
	}
	if scope == inspect.ScopeThread {
		add(scope, "integer", "", fromSwitches, prefix+"tid", "Thread ID.")
	}
}

// exitFields adds what is said of each process that ended.
func exitFields(add func(scope inspect.Scope, kind, unit, source, id, meaning string)) {
	for _, f := range []struct{ id, unit, meaning string }{
		{"pid", "", "Process ID."},
		{"start_ticks", "ticks", "Start in clock ticks since boot; with the PID it identifies the process."},
		{"ppid", "", "Process ID of the parent, 0 when it lives outside this PID namespace."},
		{"uid", "", "Real user ID."},
		{"exited_mono_ns", "ns", "Moment of the end, of CLOCK_MONOTONIC."},
		{"lifetime_ns", "ns", "Time from its birth to its end."},
		{"exit_code", "", "Value it gave to exit()."},
		{"signal", "", "Signal that ended it."},
		{"run_ns", "ns", "Time all its threads were on a CPU."},
		{"voluntary_switches", "count", "Switches of all its threads because they blocked."},
		{"involuntary_switches", "count", "Switches of all its threads because the scheduler took the CPU away."},
		{"execs", "count", "Programs it executed while it was traced."},
	} {
		add(inspect.ScopeProcess, "integer", f.unit, fromExit, "trace.exits."+f.id, f.meaning)
	}
	add(inspect.ScopeSubtree, "integer", "count", fromTracer, "trace.exits_forgotten", "Processes that ended before those listed.")
}

// dropFields adds what is missing in a trace, and what is in its file.
func dropFields(add func(scope inspect.Scope, kind, unit, source, id, meaning string)) {
	for _, f := range []struct {
		scope       inspect.Scope
		id, meaning string
	}{
		{inspect.ScopeSubtree, "drops.events", "Events that the kernel delivered."},
		{inspect.ScopeSubtree, "drops.events_dropped", "Events for which the ring had no room."},
		{inspect.ScopeSubtree, "drops.exits_dropped", "Ends of processes for which the ring had no room."},
		{inspect.ScopeSubtree, "drops.threads_full", "Events of threads for which there was no room."},
		{inspect.ScopeSubtree, "drops.pairs_full", "Pairs of threads for which there was no room."},
		{inspect.ScopeSubtree, "drops.processes_full", "Descendants for which there was no room."},
		{inspect.ScopeSubtree, "drops.threads_reused", "Threads that ended and were forgotten because their number was used again."},
		{inspect.ScopeHost, "drops.switches_seen", "Switches of the whole machine that were seen."},
		{inspect.ScopeHost, "drops.switches_not_seen", "Places where switches were not: those of tasks that the kernel hides from BPF programs."},
		{inspect.ScopeSubtree, "drops.switches_not_seen_beside_traced", "Those beside a traced thread."},
		{inspect.ScopeHost, "drops.programs_not_run", "Times the kernel did not run the tracer."},
		{inspect.ScopeSubtree, "drops.unknown_stretches", "Stretches of a thread's history that are not known."},
		{inspect.ScopeSubtree, "drops.samples", "Readings of a sampled trace."},
		{inspect.ScopeSubtree, "drops.samples_missed", "Readings that came much too late."},
		{inspect.ScopeHost, "drops.cpus.cpu", "CPU that the counts are about."},
		{inspect.ScopeHost, "drops.cpus.switches_seen", "Switches of that CPU that were seen."},
		{inspect.ScopeHost, "drops.cpus.switches_not_seen", "Places where they were not."},
		{inspect.ScopeHost, "drops.cpus.switches_not_seen_beside_traced", "Those beside a traced thread."},
		{inspect.ScopeSubtree, "file.slices", "Stretches of threads in the file."},
		{inspect.ScopeSubtree, "file.cpu_slices", "Stretches of CPUs in the file."},
		{inspect.ScopeSubtree, "file.arrows", "Wake-ups and preemptions in the file."},
		{inspect.ScopeSubtree, "file.marks", "Forks, execs and exits in the file."},
	} {
		unit := "count"
		if f.id == "drops.cpus.cpu" {
			unit = ""
		}
		add(f.scope, "integer", unit, fromTracer, "trace."+f.id, f.meaning)
	}
}
