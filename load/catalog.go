package load

import (
	"fmt"
	"slices"
	"strings"
)

// All is the catalogue, in the order in which it is shown.
func All() []Scenario {
	return []Scenario{
		scThreads(), scTree(), scIdle(), scVol(), scReady(), scDuty(), scMem(),
		scLock(), scGIL(), scCounter(), scSum(), scPingpong(), scPool(), scCPU(), scMap(), scIsolation(), scHybrid(), scServer(), scCrawl(),
		scNvolYield(), scNice(), scPolicy(), scMigrate(), scPreempt(), scRR(), scThrottle(), scGoRuntime(),
		scMemShared(), scCow(), scCowFile(), scGrow(), scHuge(), scIO(),
		scStates(), scZombies(), scOrphans(), scCrash(), scRespawn(), scSpawn(), scForkstorm(), scNames(),
	}
}

// Names are the names of the catalogue, in its order.
func Names() []string {
	var names []string
	for _, s := range All() {
		names = append(names, s.Name)
	}
	return names
}

// ByName finds a scenario; the error wraps ErrUsage and suggests near names.
func ByName(name string) (*Scenario, error) {
	all := All()
	known := Names()
	for i := range all {
		s := &all[i]
		if s.Name == name {
			return s, nil
		}
		for _, alias := range s.Aliases {
			if alias.Name == name {
				return s.as(alias), nil
			}
			known = append(known, alias.Name)
		}
	}
	return nil, fmt.Errorf("%w: no scenario %q%s", ErrUsage, name, suggest(name, known, "scenarios"))
}

// as gives the scenario the defaults of an alias.
func (s *Scenario) as(alias Alias) *Scenario {
	out := *s
	out.Params = slices.Clone(s.Params)
	implied := map[string]bool{}
	for _, arg := range alias.Args {
		key, value, _ := strings.Cut(arg, "=")
		if p, ok := out.param(key); ok {
			p.Default, implied[p.Name] = value, true
		}
	}
	without := func(args []string) []string {
		return slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
			key, _, _ := strings.Cut(arg, "=")
			return implied[key]
		})
	}
	out.Quick, out.Realtime = without(s.Quick), without(s.Realtime)
	return &out
}

// suggest ends an error about an unknown name: the near names, or all of them.
func suggest(name string, known []string, what string) string {
	var near []string
	for _, k := range known {
		if distance(name, k) <= 1+len(k)/4 || (len(name) > 1 && strings.HasPrefix(k, name)) {
			near = append(near, k)
		}
	}
	if len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	if len(known) == 0 {
		return "; it has no parameters"
	}
	return "; " + what + ": " + strings.Join(known, ", ")
}

// distance is the number of single-byte insertions, deletions, replacements
// and swaps of neighbours between two names (restricted edit distance).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

// param finds a declared parameter by any of its names.
func (s *Scenario) param(name string) (*Param, bool) {
	i := slices.IndexFunc(s.Params, func(p Param) bool { return p.Name == name || slices.Contains(p.Also, name) })
	if i < 0 {
		return nil, false
	}
	return &s.Params[i], true
}
