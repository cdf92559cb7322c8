package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse checks key=value arguments against the scenario's parameters and fills
// in the defaults; errors wrap ErrUsage and name the parameter, its range and
// an example.
func (s *Scenario) Parse(args []string) (Values, error) {
	v := newValues()
	for _, arg := range args {
		key, text, ok := strings.Cut(arg, "=")
		if !ok {
			return Values{}, fmt.Errorf("%w: %s: %q is not of the form key=value%s", ErrUsage, s.Name, arg, s.example())
		}
		p, ok := s.param(key)
		if !ok {
			return Values{}, fmt.Errorf("%w: %s has no parameter %q%s", ErrUsage, s.Name, key,
				suggest(key, s.paramNames(), "parameters"))
		}
		if v.set[p.Name] {
			return Values{}, fmt.Errorf("%w: %s: parameter %s is given twice", ErrUsage, s.Name, p.Name)
		}
		if err := v.put(p, text); err != nil {
			return Values{}, fmt.Errorf("%w: %s: %s=%s: %v", ErrUsage, s.Name, key, text, err)
		}
		v.set[p.Name] = true
	}
	for i := range s.Params {
		p := &s.Params[i]
		if v.set[p.Name] {
			continue
		}
		if err := v.put(p, p.Default); err != nil {
			return Values{}, fmt.Errorf("%s: default %s=%s: %w", s.Name, p.Name, p.Default, err)
		}
	}
	return v, nil
}

// Plan parses the arguments and builds the plan. Errors wrap ErrUsage.
func (s *Scenario) Plan(args []string) (*Plan, error) {
	v, err := s.Parse(args)
	if err != nil {
		return nil, err
	}
	p, err := s.Build(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrUsage, s.Name, err)
	}
	return p, nil
}

func (s *Scenario) paramNames() []string {
	var names []string
	for _, p := range s.Params {
		names = append(names, p.Name)
	}
	return names
}

func (s *Scenario) example() string {
	for _, p := range s.Params {
		if p.Default != "" {
			return fmt.Sprintf(" (example: %s=%s)", p.Name, p.Default)
		}
	}
	return ""
}

// put reads one value; the error says range and example, not the name.
func (v Values) put(p *Param, text string) error {
	if word, ok := p.Synonyms[text]; ok {
		text = word
	}
	v.text[p.Name] = text
	switch p.Kind {
	case ParamEnum:
		if !slices.Contains(p.Enum, text) {
			return fmt.Errorf("must be %s", p.Range())
		}
		return nil
	case ParamText:
		if p.Max > 0 && float64(len(text)) > p.Max {
			return fmt.Errorf("must be %s", p.Range())
		}
		return nil
	case ParamCPUs:
		list, err := parseCPUs(text)
		if err != nil {
			return fmt.Errorf("%w: must be %s", err, p.Range())
		}
		v.list[p.Name] = list
		return nil
	}
	n, err := parseNumber(p.Kind, text)
	if err != nil {
		return fmt.Errorf("%w: must be %s (example: %s=%s)", err, p.Range(), p.Name, p.Default)
	}
	if n < p.Min || n > p.Max || (p.Step > 0 && math.Mod(n, p.Step) != 0) {
		return fmt.Errorf("must be %s (example: %s=%s)", p.Range(), p.Name, p.Default)
	}
	v.num[p.Name] = n
	return nil
}

var (
	errNotNumber = errors.New("not a number")
	errUnit      = errors.New("unknown unit")
)

// parseNumber reads a number with its unit, in the base unit of the kind.
func parseNumber(k ParamKind, text string) (float64, error) {
	switch k {
	case ParamInt:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return 0, errors.New("not a whole number")
		}
		return float64(n), nil
	case ParamDuration:
		return parseDuration(text)
	}
	num, unit := splitUnit(text)
	n, err := strconv.ParseFloat(num, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, errNotNumber
	}
	factor, ok := units(k)[unit]
	if !ok {
		return 0, fmt.Errorf("%w %q", errUnit, unit)
	}
	n *= factor
	if k == ParamBytes && n != math.Trunc(n) {
		return 0, errors.New("not a whole number of bytes")
	}
	return n, nil
}

// units maps what may follow a number to its factor. Letters without "iB" are
// powers of two as everywhere on this kind of system (4k is a page); kB, MB
// and GB are the decimal ones.
func units(k ParamKind) map[string]float64 {
	switch k {
	case ParamBytes:
		return map[string]float64{
			"": 1, "B": 1,
			"k": 1 << 10, "K": 1 << 10, "KiB": 1 << 10, "kiB": 1 << 10, "kB": 1e3, "KB": 1e3,
			"M": 1 << 20, "MiB": 1 << 20, "MB": 1e6,
			"G": 1 << 30, "GiB": 1 << 30, "GB": 1e9,
		}
	case ParamPercent:
		return map[string]float64{"": 1, "%": 1}
	case ParamRate:
		return map[string]float64{"": 1, "Hz": 1, "hz": 1, "/s": 1, "kHz": 1e3, "khz": 1e3}
	}
	return nil
}

// ParseBytes reads a size as load parameters are written: 64MiB, 4k, 1.5GiB.
// Errors wrap ErrUsage.
func ParseBytes(text string) (uint64, error) {
	n, err := parseNumber(ParamBytes, text)
	if err != nil || n < 0 || n >= 1<<63 {
		return 0, fmt.Errorf("%w: %q is not a size (example: 512MiB)", ErrUsage, text)
	}
	return uint64(n), nil
}

func splitUnit(text string) (num, unit string) {
	i := strings.LastIndexFunc(text, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' })
	return text[:i+1], strings.TrimSpace(text[i+1:])
}

// parseDuration reads 5s, 100ms, 1m30s, or a bare number of seconds.
func parseDuration(text string) (float64, error) {
	if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
		return math.Round(n * 1e9), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("not a duration")
	}
	return float64(d), nil
}

// maxCPU bounds CPU numbers: the largest machine Linux can be built for.
const maxCPU = 8191

// parseCPUs reads 0,1 or 0-3,8; the empty text means anywhere (nil). The
// result is sorted, without duplicates.
func parseCPUs(text string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		a, err := cpuNumber(lo)
		if err != nil {
			return nil, err
		}
		b := a
		if isRange {
			if b, err = cpuNumber(hi); err != nil {
				return nil, err
			}
		}
		if b < a {
			return nil, fmt.Errorf("range %q runs backwards", part)
		}
		for c := a; c <= b; c++ {
			list = append(list, c)
		}
		if len(list) > 1<<16 {
			return nil, errors.New("too many CPUs")
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func cpuNumber(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n > maxCPU {
		return 0, fmt.Errorf("%q is not a CPU number", text)
	}
	return int(n), nil
}

// CPUList writes CPU numbers as the kernel does in Cpus_allowed_list: "0-2,5".
func CPUList(cpus []int) string {
	var b strings.Builder
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(cpus[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(cpus[j]))
		}
		i = j + 1
	}
	return b.String()
}

// words are the values of an enum, each with its other words in brackets.
func (p *Param) words() []string {
	var list []string
	for _, word := range p.Enum {
		var others []string
		for other, means := range p.Synonyms {
			if means == word {
				others = append(others, other)
			}
		}
		if slices.Sort(others); len(others) > 0 {
			word += " (" + strings.Join(others, ", ") + ")"
		}
		list = append(list, word)
	}
	return list
}

// Range says in words what values the parameter takes.
func (p *Param) Range() string {
	switch p.Kind {
	case ParamEnum:
		return strings.Join(p.words(), " or ")
	case ParamText:
		if p.Max > 0 {
			return "a text of at most " + strconv.Itoa(int(p.Max)) + " bytes"
		}
		return "a text"
	case ParamCPUs:
		return "CPU numbers such as 0,1 or 0-1"
	}
	text := FormatValue(p.Kind, p.Min) + " to " + FormatValue(p.Kind, p.Max)
	if p.Step > 0 {
		text += ", a multiple of " + FormatValue(p.Kind, p.Step)
	}
	return text
}

// FormatValue writes a number in its base unit as people write it.
func FormatValue(k ParamKind, n float64) string {
	switch k {
	case ParamDuration:
		return time.Duration(n).String()
	case ParamBytes:
		return formatBytes(uint64(n))
	case ParamPercent:
		return strconv.FormatFloat(n, 'g', -1, 64) + "%"
	case ParamRate:
		return strconv.FormatFloat(n, 'g', -1, 64) + "Hz"
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

func formatBytes(n uint64) string {
	for _, u := range []struct {
		name string
		size uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatUint(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatUint(n, 10) + "B"
}
