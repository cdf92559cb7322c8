package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "taskscope"

// importRule is one row of the import matrix: what a package may import
// beyond the standard library, and what of the standard library it may not.
// A trailing "/..." stands for everything below.
type importRule struct {
	pkg  string   // package path below the module, "inspect/internal/proc"
	may  []string // module packages ("./x") and third-party paths
	deny []string // standard packages that are off limits
	why  string
}

// importMatrix is the law of the arrangement: what makes a verdict evidence is
// that load and inspect cannot know each other.
var importMatrix = []importRule{
	{
		pkg: "inspect", may: []string{"golang.org/x/sys/unix", "./inspect/internal/..."},
		deny: []string{"os/exec", "net/http"}, why: "the model and its readers depend on the kernel only",
	},
	{
		pkg: "inspect/internal/proc", may: []string{"golang.org/x/sys/unix"},
		deny: []string{"os/exec", "net"}, why: "the hot path has no dependencies",
	},
	{
		pkg: "inspect/internal/cold", may: []string{"github.com/prometheus/procfs/...", "golang.org/x/sys/unix"},
		deny: []string{"os/exec"}, why: "the only place of procfs",
	},
	{
		pkg: "inspect/internal/host",
		may: []string{
			"github.com/shirou/gopsutil/v3/cpu", "github.com/shirou/gopsutil/v3/mem", "github.com/shirou/gopsutil/v3/load",
			"github.com/shirou/gopsutil/v3/host", "github.com/shirou/gopsutil/v3/common", "golang.org/x/sys/unix",
		},
		deny: []string{"os/exec"}, why: "the only place of gopsutil, and never its process package",
	},
	{
		pkg: "inspect/internal/bpf", may: []string{"github.com/cilium/ebpf/...", "golang.org/x/sys/unix"},
		deny: []string{"os/exec"}, why: "the only place of cilium/ebpf",
	},
	{
		pkg: "inspect/internal/taskstats", may: []string{"golang.org/x/sys/unix"},
		deny: []string{"os/exec"}, why: "a socket and a struct",
	},
	{
		pkg: "inspect/export", may: []string{"./inspect"},
		deny: []string{"os", "os/exec", "net"}, why: "writes formats of others to a writer, and opens nothing",
	},
	{
		pkg: "inspect/inspecttest", may: []string{"./inspect", "golang.org/x/sys/unix"},
		why: "test support of the model",
	},
	{
		pkg: "load", may: []string{"github.com/pelletier/go-toml/v2/..."},
		deny: []string{"os/exec", "net", "syscall"}, why: "pure data: a scenario promises, it starts and sees nothing",
	},
	{
		pkg: "load/spawn", may: []string{"./load", "./load/spawn/native", "golang.org/x/sys/unix"},
		why: "starts workers and must not know what the inspector will see",
	},
	{pkg: "load/spawn/native", deny: []string{"os", "os/exec", "net"}, why: "embedded images, nothing else"},
	{
		pkg: "load/verify", may: []string{"./load", "./inspect"},
		deny: []string{"os/exec", "os", "net"}, why: "pure: the only package that sees both sides",
	},
	{
		pkg: "views/model", may: []string{"./inspect", "./load/verify", "github.com/rivo/uniseg"},
		deny: []string{"os", "os/exec", "net", "syscall"}, why: "what is shown is a pure function of what was read",
	},
	{
		pkg: "views",
		may: []string{
			"./views/model", "./inspect", "github.com/rivo/tview", "github.com/gdamore/tcell/v2/...", "github.com/rivo/uniseg",
			"golang.org/x/sys/unix",
		},
		deny: []string{"os/exec", "net"}, why: "the only place of tview",
	},
	{
		pkg: "views/viewtest",
		may: []string{
			"./views", "./views/model", "./inspect", "./inspect/inspecttest", "github.com/gdamore/tcell/v2/...",
			"github.com/rivo/tview", "github.com/creack/pty", "github.com/hinshun/vt10x", "golang.org/x/sys/unix", "github.com/google/go-cmp/cmp",
		},
		why: "test support of the interface",
	},
	{
		pkg: "cmd/taskscope",
		may: []string{
			"./inspect", "./inspect/export", "./inspect/record", "./load", "./load/spawn", "./load/verify", "./views", "./views/model",
			"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/pelletier/go-toml/v2", "golang.org/x/sys/unix",
		},
		why: "the only place of cobra; draws nothing itself",
	},
}

// neverReach are transitive rules.
var neverReach = []struct{ from, to string }{
	{"load", "inspect"},
	{"load/spawn", "inspect"},
	{"inspect", "load"},
	{"inspect", "views"},
	{"inspect", "cmd/taskscope"},
}

type listed struct {
	ImportPath  string
	Imports     []string
	Deps        []string
	TestImports []string
	Standard    bool
}

func listModule(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,TestImports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	pkgs := map[string]listed{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[p.ImportPath] = p
	}
}

func matches(pattern, path string) bool {
	if p, ok := strings.CutPrefix(pattern, "./"); ok {
		pattern = module + "/" + p
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return path == pattern
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return first != module && !strings.Contains(first, ".")
}

// TestImportMatrix holds the direct imports of every package against the matrix.
func TestImportMatrix(t *testing.T) {
	pkgs := listModule(t)
	rules := map[string]importRule{}
	for _, r := range importMatrix {
		rules[module+"/"+r.pkg] = r
	}
	for path, p := range pkgs {
		r, ok := rules[path]
		if !ok {
			t.Errorf("%s has no row in the import matrix", path)
			continue
		}
		for _, imp := range p.Imports {
			if msg := r.judge(imp); msg != "" {
				t.Errorf("%s imports %s: %s (%s)", path, imp, msg, r.why)
			}
		}
	}
}

func (r importRule) judge(imp string) string {
	if isStandard(imp) {
		if slices.Contains(r.deny, imp) {
			return "denied standard package"
		}
		return ""
	}
	if slices.ContainsFunc(r.may, func(p string) bool { return matches(p, imp) }) {
		return ""
	}
	return "not allowed"
}

// TestNeverReach holds the transitive rules, and that test support stays in tests.
func TestNeverReach(t *testing.T) {
	pkgs := listModule(t)
	for _, r := range neverReach {
		p, ok := pkgs[module+"/"+r.from]
		if !ok {
			t.Errorf("no package %s", r.from)
		}
		for _, dep := range p.Deps {
			if dep == module+"/"+r.to || strings.HasPrefix(dep, module+"/"+r.to+"/") {
				t.Errorf("%s reaches %s", r.from, dep)
			}
		}
	}
	for path, p := range pkgs {
		for _, dep := range p.Imports {
			if strings.HasSuffix(dep, "test") && strings.HasPrefix(dep, module+"/") && !strings.HasSuffix(path, "test") {
				t.Errorf("%s imports test support %s outside of tests", path, dep)
			}
		}
	}
}

// TestImportMatrixNotices makes sure the judge can say no.
func TestImportMatrixNotices(t *testing.T) {
	r := importRule{pkg: "load", may: []string{"github.com/pelletier/go-toml/v2/..."}, deny: []string{"os/exec"}}
	for imp, bad := range map[string]bool{
		"taskscope/inspect": true, "os/exec": true, "github.com/rivo/tview": true,
		"strings": false, "github.com/pelletier/go-toml/v2": false,
	} {
		if got := r.judge(imp) != ""; got != bad {
			t.Errorf("judge(%q) refused=%v, want %v", imp, got, bad)
		}
	}
}
