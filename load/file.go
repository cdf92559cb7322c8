package load

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// fileLoad is a load file: a load written by its user, in TOML. [[thread]]
// tables are threads of the root process, [[process]] tables processes below
// it, each with [[process.thread]] tables of its own.
type fileLoad struct {
	Name    string        `toml:"name"`
	Title   string        `toml:"title"`
	Seconds string        `toml:"seconds"`
	Thread  []fileThread  `toml:"thread"`
	Process []fileProcess `toml:"process"`
}

// fileProcess is count processes with the same name; what is said of a thread
// is said of their main threads.
type fileProcess struct {
	fileThread
	Parent  string       `toml:"parent"`
	Session bool         `toml:"session"`
	Thread  []fileThread `toml:"thread"`
}

// fileThread is count threads that do the same.
type fileThread struct {
	Name     string      `toml:"name"`
	Count    *int        `toml:"count"`
	CPUs     string      `toml:"cpus"`
	Policy   string      `toml:"policy"`
	Priority int         `toml:"priority"`
	Nice     int         `toml:"nice"`
	Loops    *int        `toml:"loops"`
	Phases   []filePhase `toml:"phases"`
}

// filePhase is one thing a thread does: exactly one of the keys, and count
// beside receive.
type filePhase struct {
	Run     *string `toml:"run"`     // use that much CPU time
	Sleep   *string `toml:"sleep"`   // be blocked that long
	Timer   *string `toml:"timer"`   // sleep to the end of a period, counted from the gate
	Hold    *string `toml:"hold"`    // be blocked until so long after the gate
	Lock    *string `toml:"lock"`    // take the lock of that name
	Unlock  *string `toml:"unlock"`  // give it back
	Send    *string `toml:"send"`    // send a message into the pipe of that name
	Receive *string `toml:"receive"` // wait for messages from it
	Map     *string `toml:"map"`     // map that much memory and touch it
	Heap    *string `toml:"heap"`    // the same on the heap
	Stack   *string `toml:"stack"`   // touch that much stack
	Yield   *int    `toml:"yield"`   // give way that often
	Fork    *int    `toml:"fork"`    // make so many processes, one after the other, that end at once
	Clone   *int    `toml:"clone"`   // make so many threads in the same way
	Exit    *int    `toml:"exit"`    // end the process with that status
	Crash   *bool   `toml:"crash"`   // end it by a fault: write to memory that is not there
	Count   *int    `toml:"count"`   // of messages to receive
}

// maxFile bounds a load file.
const maxFile = 1 << 20

// ParseFile reads a load file and gives the load it describes; name is only
// for messages. Errors wrap ErrUsage and name file, line and column.
func ParseFile(name string, text []byte) (*Scenario, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%w: %s: larger than %d bytes", ErrUsage, name, maxFile)
	}
	var f fileLoad
	d := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, decodeError(name, err)
	}
	b := &fileBuilder{name: name, file: &f, at: positions(text)}
	if f.Name == "" {
		f.Name = strings.TrimSuffix(filepath.Base(name), ".toml")
		f.Name = f.Name[:min(len(f.Name), maxComm)]
	}
	seconds := f.Seconds
	if seconds == "" {
		seconds = "1s"
	}
	s := &Scenario{
		Name: f.Name, Title: f.Title,
		Teaches: "A load of your own: what is promised of it follows from its phases.",
		Params: []Param{{
			Name: "seconds", Kind: ParamDuration, Default: seconds, Min: 1e6, Max: maxSeconds,
			Doc: "how long everybody stays: what their phases leave of it they wait",
		}},
		Build: b.build,
	}
	if f.Title == "" {
		s.Title = "Load file " + filepath.Base(name)
	}
	// Whatever is wrong is told now, not when it is run.
	if _, err := s.Parse(nil); err != nil {
		b.complain("seconds", "%q is not a duration from 1ms to 24h (example: seconds = \"5s\")", f.Seconds)
		return nil, b.problems()
	}
	if _, err := s.Plan(nil); err != nil {
		return nil, b.problems()
	}
	return s, nil
}

// decodeError puts positions in front of what is wrong with the text itself.
func decodeError(name string, err error) error {
	var missing *toml.StrictMissingError
	if errors.As(err, &missing) {
		var all []string
		for i := range missing.Errors {
			e := &missing.Errors[i]
			row, col := e.Position()
			all = append(all, fmt.Sprintf("%s:%d:%d: there is no key %s", name, row, col, strings.Join(e.Key(), ".")))
		}
		return fmt.Errorf("%w: %s", ErrUsage, strings.Join(all, "; "))
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, col := bad.Position()
		return fmt.Errorf("%w: %s:%d:%d: %s", ErrUsage, name, row, col, strings.TrimPrefix(bad.Error(), "toml: "))
	}
	return fmt.Errorf("%w: %s: %s", ErrUsage, name, strings.TrimPrefix(err.Error(), "toml: "))
}

// fileBuilder makes plans of a load file.
type fileBuilder struct {
	name string
	file *fileLoad
	at   map[string]position
	errs []string
}

// placed puts the place in front of a text about the value at a path such as
// process[0].thread[1].phases[2].run; the nearest path that is written counts.
func (b *fileBuilder) placed(path, format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	for p := path; ; {
		if at, ok := b.at[p]; ok {
			return fmt.Sprintf("%s:%d:%d: %s", b.name, at.line, at.column, text)
		}
		i := strings.LastIndexAny(p, ".[")
		if i < 0 {
			return b.name + ": " + text
		}
		p = p[:i]
	}
}

// complain notes an error and goes on, so that all are told at once.
func (b *fileBuilder) complain(path, format string, args ...any) {
	b.errs = append(b.errs, b.placed(path, format, args...))
}

// problems are all that were noted.
func (b *fileBuilder) problems() error {
	return fmt.Errorf("%w: %s", ErrUsage, strings.Join(b.errs, "; "))
}

// duration and size read values; 0 after a complaint.
func (b *fileBuilder) duration(path, text string) time.Duration {
	n, err := parseNumber(ParamDuration, text)
	if err != nil || n < 0 || n > maxSeconds {
		b.complain(path, "%q is not a duration (example: \"5ms\")", text)
		return 0
	}
	return time.Duration(n)
}

func (b *fileBuilder) size(path, text string) uint64 {
	n, err := ParseBytes(text)
	if err != nil || n == 0 || n > 1<<40 {
		b.complain(path, "%q is not a size (example: \"64KiB\")", text)
		return 0
	}
	if n%memStep != 0 {
		b.complain(path, "%q is not a multiple of %s, so it would not come out even in pages everywhere", text, formatBytes(memStep))
		return 0
	}
	return n
}
