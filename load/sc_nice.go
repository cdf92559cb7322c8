package load

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func scNice() Scenario {
	return Scenario{
		Name:  "nice",
		Title: "Nice values on one CPU: shares by weight",
		Teaches: "A nice value gives a normal thread its weight, and threads that compete for one CPU share it in proportion to their weights. " +
			"One step of nice is about a tenth of the CPU, so nice 5 gets a third of what nice 0 gets, and nice 10 a ninth. " +
			"A higher nice value never stops a thread, it only makes it wait longer.",
		Params: []Param{
			asParam(),
			{Name: "values", Kind: ParamText, Default: "0,5,10", Max: 256, Doc: "nice value of each worker, -20 to 19; a negative one needs a privilege"},
			secondsParam("how long they compete"),
			{Name: "cpus", Kind: ParamCPUs, Default: "0", Doc: "the one CPU they share"},
		},
		Quick: []string{"seconds=2500ms"},
		Build: buildNice,
	}
}

// weights are the kernel's weights of the nice values -20 to 19
// (sched_prio_to_weight): 1024 for nice 0, each step a factor of about 1.25.
var weights = [40]float64{
	88761, 71755, 56483, 46273, 36291,
	29154, 23254, 18705, 14949, 11916,
	9548, 7620, 6100, 4904, 3906,
	3121, 2501, 1991, 1586, 1277,
	1024, 820, 655, 526, 423,
	335, 272, 215, 172, 137,
	110, 87, 70, 56, 45,
	36, 29, 23, 18, 15,
}

// weight is the weight of a nice value between -20 and 19.
func weight(nice int) float64 { return weights[nice+20] }

const maxNiceWorkers = 64

func niceValues(text string) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < -20 || n > 19 {
			return nil, fmt.Errorf("values: %q is not a nice value from -20 to 19 (example: values=0,5,10)", part)
		}
		list = append(list, n)
	}
	if len(list) < 2 || len(list) > maxNiceWorkers {
		return nil, fmt.Errorf("values must name 2 to %d nice values, not %d (example: values=0,5,10)", maxNiceWorkers, len(list))
	}
	return list, nil
}

func buildNice(v Values) (*Plan, error) {
	cpus := v.CPUs("cpus")
	if len(cpus) != 1 {
		return nil, errOneCPU
	}
	values, err := niceValues(v.Text("values"))
	if err != nil {
		return nil, err
	}
	if v.Duration("seconds") < time.Second {
		return nil, errors.New("seconds must be at least 1s: a shorter run is a matter of single time slices")
	}
	total := 0.0
	for _, n := range values {
		total += weight(n)
	}
	tolerance := niceTolerance(v.Duration("seconds"))
	p := newPlan("nice", v)
	workers := p.crew(v.Text("as"), len(values), func(i int) ThreadPlan {
		return ThreadPlan{
			Name: fmt.Sprintf("nice-%d-%d", i, values[i]), CPUs: cpus, Nice: values[i],
			Ops: []Op{{Kind: OpSpinWall, A: uint64(v.Duration("seconds"))}},
		}
	})
	p.voluntary("a worker that never waits never gives up its CPU; only the final park is left", func(site) Formula { return Formula{} })
	for i, s := range workers {
		p.scheduled(s)
		p.spinner(s, cpus[0])
		p.share(s, 100*weight(values[i])/total, tolerance,
			"its weight in the sum of all weights: of what the workers get, not of the CPU, which is not theirs alone")
	}
	p.oneCore()
	p.Budget.CPUs = 1
	return p.finish(), nil
}

// niceTolerance is half a percentage point for two seconds and more (reference:
// at most 0.2 off in such runs); what one time slice is worth grows as the run
// gets shorter.
func niceTolerance(d time.Duration) float64 {
	return 0.5 * max(1, 2/d.Seconds())
}
