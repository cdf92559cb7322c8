package viewtest

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"taskscope/views"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// patience is how long a test waits for something to be seen. It is long,
// because the machine may be busy, and only ever spent by a failing test.
const patience = 30 * time.Second

// Driver is an interface running on a simulated screen.
type Driver struct {
	tb     testing.TB
	screen *Screen
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Open runs the interface on a screen of that size until the test ends.
func Open(tb testing.TB, c views.Config, w, h int) *Driver {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &Driver{tb: tb, screen: newScreen(w, h), cancel: cancel, done: make(chan struct{})}
	c.Screen = d.screen
	go func() {
		defer close(d.done)
		d.err = views.Run(ctx, c)
	}()
	tb.Cleanup(func() {
		cancel()
		d.wait()
	})
	return d
}

// wait waits for the end of the interface.
func (d *Driver) wait() {
	d.tb.Helper()
	select {
	case <-d.done:
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		d.tb.Fatalf("the interface does not end:\n%s", buf[:runtime.Stack(buf, true)])
	}
}

// Ended waits until the interface has ended by itself and returns its error.
func (d *Driver) Ended() error {
	d.tb.Helper()
	d.wait()
	return d.err
}

// Cancel ends the context of the interface, like a signal would.
func (d *Driver) Cancel() { d.cancel() }

// Press presses special keys.
func (d *Driver) Press(keys ...tcell.Key) {
	<-d.screen.ready
	for _, k := range keys {
		d.screen.InjectKey(k, 0, tcell.ModNone)
	}
}

// Type types characters.
func (d *Driver) Type(text string) {
	<-d.screen.ready
	for _, r := range text {
		d.screen.InjectKey(tcell.KeyRune, r, tcell.ModNone)
	}
}

// Resize changes the size of the screen.
func (d *Driver) Resize(w, h int) {
	d.screen.SetSize(w, h)
	// The simulation posts no event of its own for this.
	_ = d.screen.PostEvent(tcell.NewEventResize(w, h))
}

// Clipboard is what was copied last.
func (d *Driver) Clipboard() string { return string(d.screen.GetClipboardData()) }

// Lines are the lines of the screen, without trailing blanks.
func (d *Driver) Lines() []string {
	d.screen.mu.Lock()
	defer d.screen.mu.Unlock()
	return append([]string(nil), d.screen.text...)
}

// Styles are the looks of the screen, one letter per column.
func (d *Driver) Styles() []string {
	d.screen.mu.Lock()
	defer d.screen.mu.Unlock()
	return append([]string(nil), d.screen.styles...)
}

// Text is the screen as one text.
func (d *Driver) Text() string { return strings.Join(d.Lines(), "\n") }

// WaitFor waits until a condition on the screen holds.
func (d *Driver) WaitFor(what string, cond func(lines []string) bool) {
	d.tb.Helper()
	deadline := time.After(patience)
	for {
		d.screen.mu.Lock()
		lines, changed := d.screen.text, d.screen.changed
		d.screen.mu.Unlock()
		if cond(lines) {
			return
		}
		select {
		case <-changed:
		case <-d.done:
			d.tb.Fatalf("waiting for %s: the interface ended: %v\n%s", what, d.err, d.Text())
		case <-deadline:
			d.tb.Fatalf("waited for %s in vain:\n%s", what, d.Text())
		}
	}
}

// See waits until the screen contains all texts.
func (d *Driver) See(texts ...string) {
	d.tb.Helper()
	for _, t := range texts {
		d.WaitFor("text "+t, func(lines []string) bool { return strings.Contains(strings.Join(lines, "\n"), t) })
	}
}

// Lose waits until the screen does not contain a text.
func (d *Driver) Lose(text string) {
	d.tb.Helper()
	d.WaitFor("text "+text+" to go", func(lines []string) bool { return len(lines) > 0 && !strings.Contains(strings.Join(lines, "\n"), text) })
}

// Selected waits until the selected row contains a text.
func (d *Driver) Selected(text string) {
	d.tb.Helper()
	d.WaitFor("selected row with "+text, func([]string) bool {
		lines, styles := d.Lines(), d.Styles()
		for y, s := range styles {
			if strings.Contains(s, "SSSS") && strings.Contains(lines[y], text) {
				return true
			}
		}
		return false
	})
}

// Golden compares the screen, text and looks, with testdata/NAME.golden.
func (d *Driver) Golden(name string) {
	d.tb.Helper()
	Golden(d.tb, name, d.Text()+"\n--- looks ---\n"+strings.Join(d.Styles(), "\n")+"\n")
}

// Golden compares a text with testdata/NAME.golden; -update writes it.
func Golden(tb testing.TB, name, got string) {
	tb.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			tb.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("%v (run the test with -update to write it)", err)
	}
	if string(want) != got {
		tb.Errorf("%s differs (-update rewrites it)\n--- want\n%s\n--- got\n%s", path, want, got)
	}
}
