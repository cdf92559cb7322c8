package proc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// helperEnv makes the test binary, started again, play one of the roles below.
const helperEnv = "PROC_TEST_HELPER"

func TestMain(m *testing.M) {
	if role := os.Getenv(helperEnv); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// play runs in the child: prepare, say "ready", wait until stdin is closed.
func play(role string) error {
	switch role {
	case "comm":
		// The leader's name, whatever thread writes it; a first NUL byte ends it.
		if err := os.WriteFile("/proc/self/comm", []byte(os.Getenv("PROC_TEST_COMM")+"\x00"), 0); err != nil {
			return err
		}
	case "title":
		if err := setTitle(os.Getenv("PROC_TEST_TITLE")); err != nil {
			return err
		}
	case "pause":
	default:
		return fmt.Errorf("no role %q", role)
	}
	fmt.Println("ready")
	_, err := os.Stdin.Read(make([]byte, 1))
	_ = err // end of file is the sign to go
	return nil
}

// setTitle writes over the area of our own arguments, as daemons do.
func setTitle(kind string) error {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	var st Stat
	if err := ParseStat(b, &st); err != nil {
		return err
	}
	area := make([]byte, st.ArgEnd-st.ArgStart)
	switch kind {
	case "nul": // nginx: zeroed, then a shorter title
		copy(area, "nginx: master")
	case "space": // postgres: padded with blanks, the last byte NUL
		for i := range area {
			area[i] = ' '
		}
		area[len(area)-1] = 0
		copy(area, "postgres: x")
	case "overrun": // filled with non-NUL and going on in the environment
		area = make([]byte, st.ArgEnd-st.ArgStart+10)
		for i := range area {
			area[i] = 'T'
		}
		area = append(area, 0)
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	_, err = mem.WriteAt(area, int64(st.ArgStart))
	return err
}

// child is a helper process, ready and waiting. stop ends and reaps it.
type child struct {
	pid  int
	cmd  *exec.Cmd
	stop func()
}

func startChild(t *testing.T, role string, args, env []string) child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: exe, Args: append([]string{"helper"}, args...), Stderr: os.Stderr}
	cmd.Env = append([]string{"AAA=first variable, long enough to be run over", helperEnv + "=" + role, "GORACE=atexit_sleep_ms=0"}, env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	c := child{pid: cmd.Process.Pid, cmd: cmd, stop: func() {
		if !stopped {
			stopped = true
			in.Close()
			_ = cmd.Wait()
		}
	}}
	t.Cleanup(c.stop)
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatalf("the %s helper did not get ready: %v", role, err)
	}
	return c
}

// openLive opens /proc.
func openLive(t testing.TB) (*FS, *Reader) {
	t.Helper()
	fs, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.Close() })
	return fs, fs.NewReader()
}

// tree is a fake procfs.
type tree struct {
	t    testing.TB
	root string
}

func newTree(t testing.TB) tree { return tree{t, t.TempDir()} }

func (f tree) open() *FS {
	f.t.Helper()
	fs, err := Open(f.root)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { fs.Close() })
	return fs
}

func (f tree) path(parts ...string) string {
	return filepath.Join(append([]string{f.root}, parts...)...)
}

func (f tree) write(path, content string) {
	f.t.Helper()
	p := f.path(path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// process writes a plausible process.
func (f tree) process(pid int) {
	dir := strconv.Itoa(pid)
	f.write(dir+"/stat", statText(pid, "p"+dir))
	f.write(dir+"/status", "Name:\tp"+dir+"\nPid:\t"+dir+"\n")
	f.write(dir+"/statm", "100 50 20 10 0 30 0\n")
	f.write(dir+"/cmdline", "p"+dir+"\x00-x\x00")
	f.write(dir+"/comm", "p"+dir+"\n")
}

// statText is a whole stat of a process; its start time is 1000 + PID.
func statText(pid int, comm string) string {
	return fmt.Sprintf("%d (%s) S 1 2 3 34817 -1 4194560 11 12 13 14 15 16 17 18 20 0 1 0 %d 4096000 77 "+
		"18446744073709551615 21 22 23 0 0 0 0 0 0 1 0 0 17 1 0 0 0 0 0 31 32 33 34 35 36 37 9\n",
		pid, comm, 1000+pid)
}
