package inspect

import (
	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/proc"
)

// powers are the capabilities of our own that decide what a refusal means.
type powers struct{ ptrace, dac, admin bool }

func ownPowers() powers {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return powers{}
	}
	has := func(c uint) bool { return data[c/32].Effective>>(c%32)&1 != 0 }
	return powers{ptrace: has(unix.CAP_SYS_PTRACE), dac: has(unix.CAP_DAC_READ_SEARCH), admin: has(unix.CAP_SYS_ADMIN)}
}

// whyNot is the reason behind an error of package proc. A refusal names the
// capability that would lift it, or says Denied when we have that already (a
// security module refuses even root).
func (o powers) whyNot(f proc.File, err error) Why {
	switch proc.Classify(err) {
	case proc.ClassOK:
		return OK
	case proc.ClassGone:
		return Gone
	case proc.ClassDenied:
		return o.denied(f)
	case proc.ClassAbsent:
		return NotSupported
	case proc.ClassStuck:
		return Stuck
	case proc.ClassMalformed:
		return Malformed
	}
	return ReadFailed
}

func (o powers) denied(f proc.File) Why {
	switch f {
	case proc.FileMaps, proc.FileSmaps, proc.FileSmapsRollup, proc.FileExe, proc.FileCwd, proc.FileRoot, proc.FileWchan, proc.FileNS:
		if !o.ptrace {
			return NeedsPtrace
		}
	case proc.FileIO, proc.FileEnviron, proc.FileSyscall, proc.FileFD, proc.FileFDInfo:
		if !o.ptrace || !o.dac {
			return NeedsPtraceDAC
		}
	case proc.FileStack:
		if !o.admin {
			return NeedsSysAdmin
		}
	}
	return Denied
}
