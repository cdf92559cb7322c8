package main

import (
	"strings"

	"taskscope/inspect"
)

// documentFields describes the members of the JSON documents that are no
// fields of the table: they belong to the document, the machine, a segment, a
// file or a limit. An id with a dot is the path of the member; lists and the
// names of groups, limits and namespaces are left out of it.
func documentFields() []fieldJSON {
	var out []fieldJSON
	add := func(scope inspect.Scope, kind, unit, source, id, meaning string) {
		out = append(out, fieldJSON{
			ID: id, Unit: unit, Kind: kind, Scope: string(scope), SourceFiles: []string{source}, Meaning: meaning,
		})
	}
	host := func(id, kind, unit, source, meaning string) {
		add(inspect.ScopeHost, kind, unit, source, "host."+id, meaning)
	}
	add(inspect.ScopeHost, "time", "", "clock_gettime(CLOCK_REALTIME)", "taken", "Wall-clock time at which the sample was begun.")
	add(inspect.ScopeHost, "integer", "ns", "clock_gettime(CLOCK_MONOTONIC)", "cost_ns", "How long the pass took that read the sample.")
	add(inspect.ScopeProcess, "number", "seconds", "clock_gettime(CLOCK_MONOTONIC)", "interval_seconds", "Time between the two reads of this process, over which its rates are.")
	add(inspect.ScopeProcess, "integer", "", "stat:4", "depth", "Depth in the process tree, 0 for a process without a parent.")
	host("cpus", "integer", "count", "/sys/devices/system/cpu/online", "CPUs that are online.")
	host("uptime_seconds", "number", "seconds", "/proc/uptime", "Time since the machine was started.")
	host("memory_total_bytes", "integer", "bytes", "/proc/meminfo:MemTotal", "Memory of the machine that the kernel manages.")
	host("memory_available_bytes", "integer", "bytes", "/proc/meminfo:MemAvailable", "Memory that programs could still get without swapping, as the kernel estimates it.")
	host("memory_free_bytes", "integer", "bytes", "/proc/meminfo:MemFree", "Memory that is used for nothing.")
	host("swap_total_bytes", "integer", "bytes", "/proc/meminfo:SwapTotal", "Size of the swap areas.")
	host("swap_free_bytes", "integer", "bytes", "/proc/meminfo:SwapFree", "Unused swap.")
	for _, over := range []string{"1 minute", "5 minutes", "15 minutes"} {
		n, _, _ := strings.Cut(over, " ")
		host("load_"+n, "number", "", "/proc/loadavg", "Tasks running, ready or in disk sleep, averaged over "+over+".")
	}
	host("context_switches", "integer", "count", "/proc/stat:ctxt", "Context switches since the machine was started.")
	host("forks", "integer", "count", "/proc/stat:processes", "Tasks made since the machine was started, threads included.")
	host("running_tasks", "integer", "count", "/proc/stat:procs_running", "Tasks running or ready.")
	host("blocked_tasks", "integer", "count", "/proc/stat:procs_blocked", "Tasks in disk sleep.")
	for _, r := range []string{"cpu", "memory", "io"} {
		host(r+"_pressure_percent", "number", "percent", "/proc/pressure/"+r+":some avg10", "Share of the last 10 seconds in which some task waited for "+r+".")
	}
	segmentFields(add)
	restFields(add)
	traceFields(add)
	compareFields(add)
	return out
}

// segmentFields adds what is said of each segment and of the groups of them.
func segmentFields(add func(scope inspect.Scope, kind, unit, source, id, meaning string)) {
	add(inspect.ScopeThread, "integer", "", "task/*/syscall", "segments.owner_tid", "Thread whose stack the segment is.")
	add(inspect.ScopeProcess, "integer", "", "maps", "segments.inode", "Inode of the mapped file, 0 for none.")
	add(inspect.ScopeProcess, "integer", "count", "maps", "memory.groups.segments", "Number of segments in the group.")
	for _, where := range []string{"segments", "memory.groups"} {
		for _, m := range []struct{ id, source, meaning string }{
			{"size_bytes", "maps", "Size of the address range."},
			{"rss_bytes", "smaps:Rss", "Pages in RAM, shared ones in full."},
			{"pss_bytes", "smaps:Pss", "Pages in RAM, each divided by the number of processes that map it."},
			{"private_clean_bytes", "smaps:Private_Clean", "Pages no other process maps, as they are on disk."},
			{"private_dirty_bytes", "smaps:Private_Dirty", "Pages no other process maps, written to."},
			{"shared_clean_bytes", "smaps:Shared_Clean", "Pages others map too, as they are on disk."},
			{"shared_dirty_bytes", "smaps:Shared_Dirty", "Pages others map too, written to."},
			{"swap_bytes", "smaps:Swap", "Pages in swap."},
			{"anonymous_bytes", "smaps:Anonymous", "Pages that belong to no file."},
			{"referenced_bytes", "smaps:Referenced", "Pages marked as used."},
			{"anon_huge_bytes", "smaps:AnonHugePages", "Memory in transparent huge pages."},
			{"hugetlb_bytes", "smaps:Private_Hugetlb+Shared_Hugetlb", "Huge pages of hugetlbfs, which rss_bytes lacks."},
			{"locked_bytes", "smaps:Locked", "Pages locked into RAM."},
		} {
			add(inspect.ScopeProcess, "integer", "bytes", m.source, where+"."+m.id, m.meaning)
		}
	}
	for _, m := range []struct{ id, source, meaning string }{
		{"rss_bytes", "smaps:Rss", "Sum over the segments, or rss_bytes of the process where they cannot be read."},
		{"pss_bytes", "smaps:Pss", "Sum over the segments: the share of memory this process answers for."},
		{"uss_bytes", "smaps:Private_Clean+Private_Dirty", "Memory no other process maps."},
		{"swap_bytes", "smaps:Swap", "Sum over the segments."},
	} {
		add(inspect.ScopeProcess, "integer", "bytes", m.source, "memory."+m.id, m.meaning)
	}
}

// restFields adds what `show` says of limits, files, namespaces and credentials.
func restFields(add func(scope inspect.Scope, kind, unit, source, id, meaning string)) {
	add(inspect.ScopeProcess, "integer", "", "limits", "limits.soft", "Limit in force, in the unit named beside it.")
	add(inspect.ScopeProcess, "integer", "", "limits", "limits.hard", "Limit up to which the process may raise it.")
	add(inspect.ScopeProcess, "integer", "", "fd/, status, stat", "limits.used", "Present use, in the unit of the limit.")
	add(inspect.ScopeProcess, "integer", "", "fd/", "files.fd", "File descriptor.")
	add(inspect.ScopeProcess, "integer", "bytes", "fdinfo/*:pos", "files.offset", "Position in the file.")
	add(inspect.ScopeLeader, "integer", "", "ns/", "namespaces", "Inode of the namespace: equal for processes that share it.")
	add(inspect.ScopeProcess, "integer", "", "oom_score", "oom_score", "How likely the kernel is to end it when memory runs out.")
	add(inspect.ScopeProcess, "integer", "", "oom_score_adj", "oom_score_adj", "What is added to that, -1000 to 1000.")
	for _, kind := range []string{"real", "effective", "saved", "filesystem"} {
		add(inspect.ScopeLeader, "integer", "", "status:Uid", "credentials."+kind+"_uid", "The "+kind+" user ID.")
		add(inspect.ScopeLeader, "integer", "", "status:Gid", "credentials."+kind+"_gid", "The "+kind+" group ID.")
	}
	add(inspect.ScopeLeader, "integers", "", "status:Groups", "credentials.groups", "Supplementary group IDs.")
	add(inspect.ScopeProcess, "integers", "", "task/*", "born", "TIDs of threads that have appeared in the interval.")
	add(inspect.ScopeProcess, "integers", "", "task/*", "exited", "TIDs of threads that have ended in the interval.")
	add(inspect.ScopeSubtree, "integers", "", "stat:4", "born_processes", "PIDs of descendants that have appeared in the interval.")
	add(inspect.ScopeSubtree, "integers", "", "stat:4", "exited_processes", "PIDs of descendants that have ended in the interval.")
}
