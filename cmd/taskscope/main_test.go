package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"taskscope/load/spawn"
)

// TestMain lets the test binary be the program itself, and the child processes
// of the tests, according to the name it is started by.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == spawn.WorkerCommand {
		main() // a worker of the Go tier that such a program has started
	}
	testscript.Main(m, map[string]func(){
		"taskscope":      main,
		"known-child":    knownChild,
		"victim-child":   victimChild,
		"changing-child": changingChild,
		"herd-child":     herdChild,
	})
}

// invoke runs one command line inside the test.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// wrongInput are command lines, separated by |, and part of the complaint. FILE
// stands for an empty file, EMPTY for an empty directory.
var wrongInput = []struct{ args, want string }{
	{"tre", "did you mean taskscope tree?"},
	{"TREE", "did you mean taskscope tree?"},
	{"shwo", "did you mean taskscope show?"},
	{"frobnicate", "see taskscope --help"},
	{"1234", "did you mean taskscope attach 1234?"},
	{"", "unknown command"},
	{"two\nlines", "unknown command"},
	{"\x1b[31mred", "unknown command"},
	{"--jsn|tree", "--json?"},
	{"tree|--jsno", "did you mean --json?"},
	{"tree|--thread", "did you mean --threads?"},
	{"tree|--frob", "see taskscope tree --help"},
	{"-x", "see taskscope --help"},
	{"tree|-1", "see taskscope tree --help"},
	{"tree|1|2", "at most one PID"},
	{"tree|abc", "is no PID"},
	{"tree|0", "is no PID"},
	{"tree|99999999999999999999", "is no PID"},
	{"tree|4194999", "no process has the PID 4194999"},
	{"tree|--json=maybe", "--json"},
	{"show", "exactly one PID"},
	{"show|1|2", "exactly one PID"},
	{"show|x", "is no PID"},
	{"show|1.5", "is no PID"},
	{"show|4194999", "no process has the PID 4194999"},
	{"show|1|--for", "--for"},
	{"show|1|--for|soon", "write it like 500ms"},
	{"show|1|--for|0", "out of range"},
	{"show|1|--for|-1s", "out of range"},
	{"show|1|--for|NaN", "write it like 500ms"},
	{"watch", "exactly one PID"},
	{"watch|x", "is no PID"},
	{"watch|4194999", "no process has the PID 4194999"},
	{"watch|1|--count|-1", "give the number of intervals"},
	{"watch|1|--count|many", "--count"},
	{"watch|1|--json|--csv", "choose one"},
	{"watch|1|--interval|0", "out of range"},
	{"list|1", "takes no argument"},
	{"list|--json|--csv", "choose one"},
	{"list|--sort|frob", "taskscope fields"},
	{"list|--sort|rss", "did you mean rss_bytes?"},
	{"list|--sort|", "no field"},
	{"list|-o|pid,,comm", "no field"},
	{"list|-o|pid,com", "did you mean comm?"},
	{"list|--filter|rss_bytes >", "filter"},
	{"list|--filter|frob = 1", "filter"},
	{"attach", "one PID or name"},
	{"attach|a|b", "one PID or name"},
	{"attach|", "one PID or name"},
	{"attach|no such name anywhere", "no process is called"},
	{"attach|4194999", "no process has the PID 4194999"},
	{"doctor|x", "takes no argument"},
	{"fields|x", "takes no argument"},
	{"completion", "bash, zsh or fish"},
	{"completion|ksh", "bash, zsh or fish"},
	{"completion|bash|zsh", "bash, zsh or fish"},
	{"help|frob", "see taskscope --help"},
	{"--source|magic|tree", "choose auto, bpf or proc"},
	{"--interval|often|tree", "write it like 500ms"},
	{"tree|--interval", "--interval"},
	{"--proc-root|/nowhere/at/all|tree", "no such file or directory"},
	{"tree|--proc-root|FILE", "no directory"},
	{"tree|--proc-root|", "proc"},
	{"tree|--proc-root|EMPTY", "no process is to be seen"},
	{"show|1|--proc-root|EMPTY", "no process has the PID 1"},
	{"--read-only=perhaps", "--read-only"},
}

// TestWrongInput: whatever is wrong, the exit code is 2 and stderr has one
// line, which says what to do.
func TestWrongInput(t *testing.T) {
	file, empty := filepath.Join(t.TempDir(), "file"), t.TempDir()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range wrongInput {
		t.Run(strings.ReplaceAll(tc.args, "|", " "), func(t *testing.T) {
			code, stdout, stderr := invoke(t, strings.Split(strings.NewReplacer("FILE", file, "EMPTY", empty).Replace(tc.args), "|")...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d, stdout %q, want %d and nothing", code, stdout, exitUsage)
			}
			checkLine(t, stderr, tc.want)
		})
	}
}

// checkLine checks that stderr is exactly one printable line of ours with that text.
func checkLine(t *testing.T, stderr, want string) {
	t.Helper()
	if !strings.HasPrefix(stderr, "taskscope: ") || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") {
		t.Errorf("stderr is not one line of ours: %q", stderr)
	}
	if strings.ContainsAny(strings.TrimSuffix(stderr, "\n"), "\x00\x1b\r\t\n") {
		t.Errorf("stderr has control characters: %q", stderr)
	}
	if !strings.Contains(stderr, want) {
		t.Errorf("stderr %q does not contain %q", stderr, want)
	}
}

func TestNoTerminal(t *testing.T) {
	for _, args := range [][]string{{}, {"attach", "1"}, {"--ascii"}, {"--interval", "2s", "attach", "1"}} {
		code, stdout, stderr := invoke(t, args...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%q: exit code %d, stdout %q", args, code, stdout)
		}
		checkLine(t, stderr, "taskscope tree, list, show PID or watch PID")
	}
}

// TestHelp: every command has a short text and an example, and --help goes to stdout.
func TestHelp(t *testing.T) {
	root := newRootCommand(&app{stdout: &output{w: io.Discard}, getenv: os.Getenv})
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		if c.Short == "" || !strings.HasPrefix(c.Example, "  taskscope") && !strings.Contains(c.Example, "taskscope ") {
			t.Errorf("%s: no short text or no example", c.CommandPath())
		}
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		code, stdout, stderr := invoke(t, args...)
		if code != exitDone || stderr != "" || !strings.Contains(stdout, c.Example) {
			t.Errorf("%q: exit code %d, stderr %q, or no example in the help", args, code, stderr)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	for _, absent := range []string{"record", "replay", "serve"} {
		if c, _, err := root.Find([]string{absent}); err == nil && c != root {
			t.Errorf("%s exists, but is not part of this version", absent)
		}
	}
}

func TestVersionAndCompletion(t *testing.T) {
	code, stdout, stderr := invoke(t, "--version")
	if code != exitDone || stderr != "" || !strings.HasPrefix(stdout, "taskscope ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("--version: %d, %q, %q", code, stdout, stderr)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, stdout, stderr := invoke(t, "completion", shell)
		if code != exitDone || stderr != "" || !strings.Contains(stdout, "__complete") {
			t.Errorf("completion %s: %d, %q", shell, code, stderr)
		}
	}
	for _, tt := range []struct{ args, want, not string }{
		{"load run pin", "pingpong", ""},
		{"load describe vol ra", "rate=", "pingpong"},
		{"load run vol workers=2 ra", "rate=", ""},
		{"load verify vol rate=50Hz pin", "pingpong", ""},
		{"load verify idle vol rate=50Hz wor", "workers=", ""},
	} {
		code, stdout, _ := invoke(t, append([]string{"__complete"}, strings.Fields(tt.args)...)...)
		if code != exitDone || !strings.Contains(stdout, tt.want) || tt.not != "" && strings.Contains(stdout, tt.not) {
			t.Errorf("completion of %q: %d, %q", tt.args, code, stdout)
		}
	}
	code, stdout, _ = invoke(t, "__complete", "list", "--sort", "rss_b")
	if code != exitDone || !strings.Contains(stdout, "rss_bytes\t") {
		t.Errorf("completion of --sort: %d, %q", code, stdout)
	}
}

// failingWriter fails every write.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int
		line string
	}{
		{syscall.EPIPE, exitDone, ""},
		{syscall.ENOSPC, exitFailed, "no space left"},
		{errors.New("odd\nerror"), exitFailed, "odd; error"},
	} {
		for _, args := range [][]string{{"fields"}, {"fields", "--json"}, {"tree"}, {"list", "--json"}, {"--help"}, {"--version"}, {"completion", "bash"}} {
			var stderr bytes.Buffer
			code := run(t.Context(), args, strings.NewReader(""), failingWriter{tc.err}, &stderr)
			if code != tc.code {
				t.Errorf("%q with %v: exit code %d, want %d", args, tc.err, code, tc.code)
			}
			if tc.line == "" && stderr.Len() > 0 {
				t.Errorf("%q with %v: stderr %q", args, tc.err, stderr.String())
			}
			if tc.line != "" {
				checkLine(t, stderr.String(), tc.line)
			}
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"watch", "1"}, strings.NewReader(""), &out, &errs); code != exitInterrupted || errs.Len() > 0 {
		t.Errorf("exit code %d, stderr %q, want %d and nothing", code, errs.String(), exitInterrupted)
	}
}

func TestEditDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"tree", "tree", 0}, {"tre", "tree", 1}, {"shwo", "show", 2}, {"kitten", "sitting", 3}} {
		if got := editDistance(tc.a, tc.b); got != tc.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
