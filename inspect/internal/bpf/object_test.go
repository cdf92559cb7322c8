package bpf

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// TestLayout compares the records of the programs with their Go mirrors, field
// by field: offset and size.
func TestLayout(t *testing.T) {
	for _, tt := range []struct {
		load func() (*ebpf.CollectionSpec, error)
		name string
		typ  reflect.Type
	}{
		{loadTasks, "task_rec", reflect.TypeFor[Task]()},
		{loadTasks, "glance_rec", reflect.TypeFor[Glance]()},
		{loadTotals, "total_rec", reflect.TypeFor[totalRec]()},
		{loadTracer, "event", reflect.TypeFor[Event]()},
		{loadTracer, "exit_rec", reflect.TypeFor[exitRec]()},
		{loadTracer, "agg", reflect.TypeFor[aggRec]()},
		{loadTracer, "cpu_state", reflect.TypeFor[cpuState]()},
		{loadTracer, "pair", reflect.TypeFor[pairRec]()},
		{loadTracer, "pair_key", reflect.TypeFor[pairKey]()},
	} {
		spec, err := tt.load()
		if err != nil {
			t.Fatal(err)
		}
		var st *btf.Struct
		if err := spec.Types.TypeByName(tt.name, &st); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if int(st.Size) != int(tt.typ.Size()) || len(st.Members) != tt.typ.NumField() {
			t.Errorf("%s: %d bytes in %d fields, Go has %d in %d", tt.name, st.Size, len(st.Members), tt.typ.Size(), tt.typ.NumField())
			continue
		}
		end := uintptr(0)
		for i, m := range st.Members {
			f := tt.typ.Field(i)
			size, err := btf.Sizeof(m.Type)
			if err != nil {
				t.Fatal(err)
			}
			if uintptr(m.Offset.Bytes()) != f.Offset || uintptr(size) != f.Type.Size() {
				t.Errorf("%s.%s: %d bytes at %d, Go field %s: %d at %d", tt.name, m.Name, size, m.Offset.Bytes(), f.Name, f.Type.Size(), f.Offset)
			}
			if f.Offset != end {
				t.Errorf("%s: %d bytes of padding before %s", tt.name, f.Offset-end, m.Name)
			}
			end = f.Offset + f.Type.Size()
		}
	}
}

// TestConstants: what both sides name is the same.
func TestConstants(t *testing.T) {
	want := map[string]uint64{
		"EV_OUT": uint64(Out), "EV_IN": uint64(In), "EV_WAKE": uint64(Wake), "EV_NEW": uint64(New), "EV_FORK": uint64(Fork),
		"EV_EXEC": uint64(Exec), "EV_EXIT": uint64(Quit), "EV_MIGRATE": uint64(Migrate), "EV_SEED": uint64(Seed), "EV_KINDS": eventKinds,
		"ST_RUN": uint64(Running), "ST_READY": uint64(Ready), "ST_SLEEP": uint64(Sleeping), "ST_DISK": uint64(Disk),
		"ST_STOPPED": uint64(Stopped), "ST_DEAD": uint64(Dead), "ST_CLASSES": stateClasses,
		"MODE_ALL": modeAll, "MODE_ONE": modeOne, "MODE_SET": modeSet,
		"SEED_IDENTIFY": seedIdentify, "SEED_ROOT": seedRoot, "SEED_TREE": seedTree, "SEED_THREADS": seedThreads,
		"PAIR_PREEMPT": pairPreempt, "PAIR_WAKE": pairWake,
		"AGG_WOKEN": uint64(aggWoken), "AGG_SEEDED": uint64(aggSeeded), "AGG_BORN": uint64(aggBorn), "AGG_DEAD": uint64(aggDead),
		"AGG_MORE_CPUS": uint64(aggMoreCPUs), "AGG_NO_WAKE": uint64(aggNoWake), "AGG_OLD_EXEC": uint64(aggOldExec), "AGG_OLD_DELAY": uint64(aggOldDelay),
		"HAVE_MM": uint64(HaveMM), "HAVE_RSS_EXACT": uint64(HaveRSSExact), "HAVE_REGS": uint64(HaveRegs),
		"HAVE_SCHED_INFO": uint64(HaveSchedInfo), "HAVE_RQ_CLOCK": uint64(HaveRQClock), "HAVE_IO": uint64(HaveIO),
		"HAVE_SEQ": uint64(HaveSeq), "HAVE_DELAYS": uint64(HaveDelays), "HAVE_EXEC_ID": uint64(HaveExecID), "HAVE_CGROUPS": uint64(HaveCgroups),
		"PART_REGS": uint64(PartRegs), "PART_IO": uint64(PartIO), "PART_DELAYS": uint64(PartDelays), "PART_CGROUPS": uint64(PartCgroups),
	}
	for name, v := range enums(t) {
		w, known := want[name]
		if known && v != w {
			t.Errorf("%s is %d, Go has %d", name, v, w)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is not in an object", name)
	}
}

// enums are the values of all enums of two objects.
func enums(t *testing.T) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	for _, load := range []func() (*ebpf.CollectionSpec, error){loadTasks, loadTracer} {
		spec, err := load()
		if err != nil {
			t.Fatal(err)
		}
		for typ, err := range spec.Types.All() {
			if err != nil {
				t.Fatal(err)
			}
			if enum, ok := typ.(*btf.Enum); ok {
				for _, v := range enum.Values {
					all[v.Name] = v.Value
				}
			}
		}
	}
	return all
}

// TestObjectsAreCurrent builds the objects again and compares them with the
// committed ones. The compiler is the one that gen.go names.
func TestObjectsAreCurrent(t *testing.T) {
	gen, err := os.ReadFile("gen.go")
	if err != nil {
		t.Skipf("not in the source tree: %v", err)
	}
	built := 0
	for line := range strings.Lines(string(gen)) {
		args, ok := strings.CutPrefix(line, "//go:generate go run github.com/cilium/ebpf/cmd/bpf2go@")
		if !ok {
			continue
		}
		f := strings.Fields(args)
		opt := map[string]string{}
		i := 1
		for ; strings.HasPrefix(f[i], "-"); i++ {
			if f[i] == "-no-global-types" {
				continue
			}
			opt[f[i]] = f[i+1]
			i++
		}
		name, source, flags := f[i], f[i+1], f[i+3:]
		for _, tool := range []string{opt["-cc"], opt["-strip"]} {
			if _, err := exec.LookPath(tool); err != nil {
				t.Skipf("%s is not installed", tool)
			}
		}
		object := name + "_bpfel.o"
		out := filepath.Join(t.TempDir(), object)
		// What bpf2go adds to the flags.
		flags = append([]string{"-mcpu=v1"}, flags...)
		flags = append(flags, "-target", opt["-target"], "-c", filepath.Join(workdir(t), source), "-o", out, "-fno-ident", "-fdebug-compilation-dir", ".", "-g",
			"-fdebug-prefix-map="+workdir(t)+"=.")
		run(t, opt["-cc"], flags...)
		run(t, opt["-strip"], "-g", out)
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(object)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s compiles to: run go generate", object, source)
		}
		built++
	}
	if built != 4 {
		t.Errorf("%d objects in gen.go", built)
	}
}

// TestNoObjectIsComplete: what machines without an object are built with has
// every name that the code uses.
func TestNoObjectIsComplete(t *testing.T) {
	stub, err := os.ReadFile("noobject.go")
	if err != nil {
		t.Skipf("not in the source tree: %v", err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\b(tasks|percpu|totals|tracer)(Var|Prog|Map)[A-Z]\w*`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "_bpfel.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range name.FindAllString(string(b), -1) {
			if !strings.Contains(string(stub), "\""+n+"\"") {
				t.Errorf("%s uses %s, which noobject.go lacks", file, n)
			}
		}
	}
}

func workdir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
