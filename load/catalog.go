package load

import "fmt"

// All is the catalogue, in the order in which it is shown.
func All() []Scenario { return nil }

// ByName finds a scenario; the error wraps ErrUsage and suggests near names.
func ByName(name string) (*Scenario, error) {
	return nil, fmt.Errorf("%w: no scenario %q", ErrUsage, name)
}

// Parse checks key=value arguments against the scenario's parameters and fills
// in the defaults; errors wrap ErrUsage and name the parameter, its range and
// an example.
func (s *Scenario) Parse(args []string) (Values, error) { return Values{}, nil }
