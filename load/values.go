package load

import "time"

// Values are checked parameter values, by name.
type Values struct {
	text map[string]string
	num  map[string]float64
	list map[string][]int
	set  map[string]bool
}

// Int, Duration, Bytes, Percent, Rate, Text and CPUs give a value in its base
// unit; the parameter must be declared by the scenario.
func (v Values) Int(name string) int                { return int(v.num[name]) }
func (v Values) Duration(name string) time.Duration { return time.Duration(v.num[name]) }
func (v Values) Bytes(name string) uint64           { return uint64(v.num[name]) }
func (v Values) Percent(name string) float64        { return v.num[name] }
func (v Values) Rate(name string) float64           { return v.num[name] }
func (v Values) Text(name string) string            { return v.text[name] }
func (v Values) CPUs(name string) []int             { return v.list[name] }

// Texts gives every parameter as it would be written, defaults included.
func (v Values) Texts() map[string]string { return v.text }

// Given says whether the parameter was written out rather than defaulted.
func (v Values) Given(name string) bool { return v.set[name] }

func newValues() Values {
	return Values{
		text: map[string]string{}, num: map[string]float64{},
		list: map[string][]int{}, set: map[string]bool{},
	}
}
