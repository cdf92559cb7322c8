package inspect

// ioField is the common shape of a counter from io.
func ioField(id, title string, unit Unit, source, doc string, get uintOf) Field {
	return Field{
		ID: id, Title: title, Unit: unit, Kind: KindUint, Scope: ScopeProcess, Want: WantIO,
		Sources: []string{source}, Width: 9, Desc: true, Doc: doc, Get: procUint(get),
	}
}

func resourceFields() []Field {
	return []Field{
		{
			ID: "fds", Title: "FDS", Unit: UnitCount, Kind: KindInt, Scope: ScopeProcess, Want: WantFDs, Width: 5, Desc: true,
			Sources: []string{"fd"}, Doc: "Number of open file descriptors.",
			Get: procInt(func(p *Process) Known[int] { return p.FDs }),
		},
		ioField("read_bytes", "READ", UnitBytes, "io:read_bytes", "Bytes fetched from storage.",
			func(p *Process) Known[uint64] { return p.ReadBytes }),
		ioField("write_bytes", "WRITE", UnitBytes, "io:write_bytes", "Bytes sent to storage.",
			func(p *Process) Known[uint64] { return p.WriteBytes }),
		ioField("read_chars_bytes", "RCHAR", UnitBytes, "io:rchar", "Bytes returned by read calls, from whatever source.",
			func(p *Process) Known[uint64] { return p.ReadChars }),
		ioField("write_chars_bytes", "WCHAR", UnitBytes, "io:wchar", "Bytes handed to write calls, to whatever target.",
			func(p *Process) Known[uint64] { return p.WriteChars }),
		ioField("read_calls", "SYSCR", UnitCount, "io:syscr", "Number of read calls.",
			func(p *Process) Known[uint64] { return p.ReadCalls }),
		ioField("write_calls", "SYSCW", UnitCount, "io:syscw", "Number of write calls.",
			func(p *Process) Known[uint64] { return p.WriteCalls }),
		{
			ID: "read_bytes_per_second", Title: "READ/s", Unit: UnitBytesPS, Kind: KindFloat, Scope: ScopeProcess, Want: WantIO,
			Rate: true, Width: 9, Desc: true, Sources: []string{"io:read_bytes"}, Doc: "Bytes fetched from storage per second.",
			Get: procRate(func(d *Delta) Known[float64] { return d.ReadRate }),
		},
		{
			ID: "write_bytes_per_second", Title: "WRITE/s", Unit: UnitBytesPS, Kind: KindFloat, Scope: ScopeProcess, Want: WantIO,
			Rate: true, Width: 9, Desc: true, Sources: []string{"io:write_bytes"}, Doc: "Bytes sent to storage per second.",
			Get: procRate(func(d *Delta) Known[float64] { return d.WriteRate }),
		},
		{
			ID: "seccomp", Title: "SECCOMP", Kind: KindInt, Scope: ScopeLeader, Want: WantStatus | WantStatusRest, Width: 7,
			Sources: []string{"status:Seccomp"}, Doc: "System call filter: 0 none, 1 strict, 2 filter.",
			Get: procInt(func(p *Process) Known[int] { return p.Seccomp }),
		},
		{
			ID: "no_new_privs", Title: "NNP", Kind: KindBool, Scope: ScopeLeader, Want: WantStatus | WantStatusRest, Width: 5,
			Sources: []string{"status:NoNewPrivs"}, Doc: "Whether it has given up gaining privileges by execve.",
			Get: ofProcess(KindBool, func(r Row) Value { return boolValue(r.Process.NoNewPrivs) }),
		},
	}
}
