package proc

import "time"

// File names one file or link of a task's directory.
type File uint8

// The files of /proc/PID and /proc/PID/task/TID that this package reads.
const (
	FileNone File = iota
	FileStat
	FileStatus
	FileStatm
	FileSchedstat
	FileComm
	FileCmdline
	FileIO
	FileCgroup
	FileWchan
	FileSyscall
	FileStack
	FileMaps
	FileSmaps
	FileSmapsRollup
	FileEnviron
	FileLimits
	FileOOMScore
	FileOOMScoreAdj
	FileAutogroup
	FileLoginUID
	FileSched
	FileExe    // link
	FileCwd    // link
	FileRoot   // link
	FileTask   // directory
	FileFD     // directory of links
	FileFDInfo // directory of files
	FileNS     // directory of links
	fileCount
)

// Locks are the kernel locks of the target that a reader of a file waits for.
type Locks uint8

const (
	// LockMM is mmap_lock: held while the target is inside mmap, munmap, ….
	LockMM Locks = 1 << iota
	// LockExec is exec_update_lock: held while the target is inside execve.
	LockExec
)

// fileInfo is what the reader has to know about a file.
type fileInfo struct {
	name  string
	locks Locks
	// chunked: one read gives only a part even if the buffer is larger, so
	// that the end of file must be seen. All others are produced whole by one
	// read, and a read that does not fill the buffer is the last one.
	chunked bool
	// holdable: pread(fd, 0) on an old descriptor gives new content. The files
	// that are bound to the address space at open are not (stale after exec).
	holdable bool
	// limit caps what is read, 0 for no cap.
	limit int
	// perGB: one read takes time in proportion to the memory of the process,
	// so much at most per GB of RSS.
	perGB time.Duration
}

// rollupPerGB is some times what was measured (6 to 11 ms per GB of 4 KB pages),
// since a busy machine takes longer.
const rollupPerGB = 30 * time.Millisecond

// Caps of files whose size the target chooses.
const (
	maxCmdline = 64 << 10
	maxEnviron = 1 << 20
)

// files is indexed by File. The locks were measured on Linux 6.18.
var files = [fileCount]fileInfo{
	FileNone:        {name: "?"},
	FileStat:        {name: "stat", locks: LockExec, holdable: true},
	FileStatus:      {name: "status", holdable: true},
	FileStatm:       {name: "statm", holdable: true},
	FileSchedstat:   {name: "schedstat", holdable: true},
	FileComm:        {name: "comm", holdable: true},
	FileCmdline:     {name: "cmdline", locks: LockMM, chunked: true, limit: maxCmdline},
	FileIO:          {name: "io", locks: LockExec, holdable: true},
	FileCgroup:      {name: "cgroup", holdable: true},
	FileWchan:       {name: "wchan", locks: LockExec},
	FileSyscall:     {name: "syscall", locks: LockExec},
	FileStack:       {name: "stack", locks: LockExec},
	FileMaps:        {name: "maps", locks: LockMM | LockExec, chunked: true},
	FileSmaps:       {name: "smaps", locks: LockMM | LockExec, chunked: true},
	FileSmapsRollup: {name: "smaps_rollup", locks: LockMM | LockExec, perGB: rollupPerGB},
	FileEnviron:     {name: "environ", locks: LockMM | LockExec, chunked: true, limit: maxEnviron},
	FileLimits:      {name: "limits"},
	FileOOMScore:    {name: "oom_score"},
	FileOOMScoreAdj: {name: "oom_score_adj"},
	FileAutogroup:   {name: "autogroup"},
	FileLoginUID:    {name: "loginuid"},
	FileSched:       {name: "sched"},
	FileExe:         {name: "exe", locks: LockExec},
	FileCwd:         {name: "cwd", locks: LockExec},
	FileRoot:        {name: "root", locks: LockExec},
	FileTask:        {name: "task"},
	FileFD:          {name: "fd", locks: LockExec},
	FileFDInfo:      {name: "fdinfo", locks: LockExec},
	FileNS:          {name: "ns", locks: LockExec},
}

// String is the file's name below /proc/PID.
func (f File) String() string {
	if f < fileCount {
		return files[f].name
	}
	return files[FileNone].name
}

// Locks says on which locks of the target a reader of the file can block; 0
// means that it never blocked, neither in mmap nor in execve.
func (f File) Locks() Locks {
	if f < fileCount {
		return files[f].locks
	}
	return 0
}

// Holdable says whether a descriptor may be kept and read again ([Held]).
func (f File) Holdable() bool { return f < fileCount && files[f].holdable }
