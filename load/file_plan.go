package load

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxThreadOps and maxFileOps bound the operations of one thread and of all
// together, loops unrolled.
const (
	maxThreadOps = 20_000
	maxFileOps   = 500_000
)

// filePlan is a plan in the making.
type filePlan struct {
	*fileBuilder
	v       Values
	p       *Plan
	byName  map[string][]int // indices of the processes with a name
	objects map[string]int   // locks and pipes, by kind and name
	sent    map[string]int   // messages per pipe
	wanted  map[string]int
	order   map[string][]string // lock → locks taken while it was held
	ends    bool                // some process ends by plan
	forked  int                 // processes and threads that phases make
	forkers int                 // threads that make any
	tasks   int
	ops     int
}

// build makes the plan, or notes everything that is wrong with the file.
func (b *fileBuilder) build(v Values) (*Plan, error) {
	b.errs = nil
	f := &filePlan{
		fileBuilder: b, v: v, byName: map[string][]int{}, objects: map[string]int{},
		sent: map[string]int{}, wanted: map[string]int{}, order: map[string][]string{},
	}
	b.checkName("name", b.file.Name)
	f.p = newPlan(b.file.Name, v)
	if len(b.file.Thread)+len(b.file.Process) == 0 {
		b.complain("", "it has no [[thread]] and no [[process]]: nothing would be started")
	}
	for i := range b.file.Thread {
		f.threads(0, fmt.Sprintf("thread[%d]", i), &b.file.Thread[i])
	}
	for i := range b.file.Process {
		f.process(fmt.Sprintf("process[%d]", i), &b.file.Process[i])
	}
	f.checkShared()
	if len(b.errs) > 0 {
		return nil, b.problems()
	}
	if f.ends {
		f.p.Processes[0].Threads[0].Ops = []Op{{Kind: OpReap}}
	}
	f.promises()
	return f.p.finish(), nil
}

func (b *fileBuilder) checkName(path, name string) {
	if name == "" || len(name) > maxComm || strings.ContainsRune(name, 0) || !utf8.ValidString(name) {
		b.complain(path, "%q is no name: 1 to %d bytes of UTF-8", name, maxComm)
	}
}

// times reads a count, 1 when it is not given.
func (b *fileBuilder) times(path string, n *int, most int) int {
	switch {
	case n == nil:
		return 1
	case *n < 1 || *n > most:
		b.complain(path, "%d is out of range: 1 to %d", *n, most)
		return 1
	}
	return *n
}

// numbered is the name of one of several.
func (b *fileBuilder) numbered(path, name string, i, n int) string {
	if n == 1 {
		b.checkName(path, name)
		return name
	}
	text := fmt.Sprintf("%s-%d", name, i)
	b.checkName(path, text)
	return text
}

// process adds the processes of one table: so many below each of its parents.
func (f *filePlan) process(path string, q *fileProcess) {
	parents := []int{0}
	if q.Parent != "" {
		if parents = f.byName[q.Parent]; parents == nil {
			f.complain(path+".parent", "there is no process %q above this one", q.Parent)
			return
		}
	}
	n := f.times(path+".count", q.Count, maxWorkers)
	if !f.room(path, n*len(parents)) {
		return
	}
	for i := range n * len(parents) {
		name := f.numbered(path+".name", q.Name, i, n*len(parents))
		index := len(f.p.Processes)
		f.p.Processes = append(f.p.Processes, ProcessPlan{
			Role: name, Parent: parents[i/n], Setsid: q.Session, Threads: []ThreadPlan{f.thread(path, name, &q.fileThread, index, true)},
		})
		f.byName[q.Name] = append(f.byName[q.Name], index)
		for k := range q.Thread {
			f.threads(index, fmt.Sprintf("%s.thread[%d]", path, k), &q.Thread[k])
		}
		f.checkExit(path, index, q)
		if len(f.errs) > 0 {
			return // the other instances have the same
		}
	}
}

// room counts tasks.
func (f *filePlan) room(path string, n int) bool {
	if f.tasks += n; f.tasks > maxWorkers {
		f.complain(path, "that makes more than %d tasks", maxWorkers)
		return false
	}
	return true
}

// threads adds the threads of one table to a process.
func (f *filePlan) threads(process int, path string, t *fileThread) {
	n := f.times(path+".count", t.Count, maxWorkers)
	if !f.room(path, n) {
		return
	}
	for i := range n {
		name := f.numbered(path+".name", t.Name, i, n)
		f.p.Processes[process].Threads = append(f.p.Processes[process].Threads, f.thread(path, name, t, process, false))
		if len(f.errs) > 0 {
			return
		}
	}
}

// thread makes one thread with its operations.
func (f *filePlan) thread(path, name string, t *fileThread, process int, leader bool) ThreadPlan {
	plan := ThreadPlan{Role: name, Name: name, Nice: t.Nice}
	if leader {
		plan.Role = "leader"
	}
	var err error
	if plan.CPUs, err = parseCPUs(t.CPUs); err != nil {
		f.complain(path+".cpus", "%v", err)
	}
	if t.Policy != "" {
		if plan.Policy, err = parsePolicy(t.Policy); err != nil {
			f.complain(path+".policy", "there is no policy %q: other, batch, idle, fifo, rr or deadline", t.Policy)
		}
	}
	if t.Nice < -20 || t.Nice > 19 {
		f.complain(path+".nice", "%d is not a nice value from -20 to 19", t.Nice)
	}
	switch real := plan.Policy == policyFIFO || plan.Policy == policyRR; {
	case real && (t.Priority < 1 || t.Priority > 99):
		f.complain(path, "policy %s needs priority, from 1 to 99", t.Policy)
	case !real && t.Priority != 0:
		f.complain(path+".priority", "only fifo and rr have a priority; the others have nice")
	default:
		plan.RTPrio = t.Priority
	}
	loops := f.times(path+".loops", t.Loops, math.MaxInt32)
	if t.Loops != nil && len(t.Phases) == 0 {
		f.complain(path+".loops", "there are no phases to repeat")
	}
	if len(t.Phases) > 0 && loops > maxThreadOps/len(t.Phases) {
		f.complain(path, "loops × phases is %d × %d operations, at most %d", loops, len(t.Phases), maxThreadOps)
		return plan
	}
	if f.ops += loops * len(t.Phases); f.ops > maxFileOps {
		f.complain(path, "that makes more than %d operations", maxFileOps)
		return plan
	}
	o := &phaseReader{filePlan: f, path: path, leader: leader && process > 0, repeated: loops > 1}
	for i := range loops {
		o.round(t.Phases, i)
		if len(f.errs) > 0 {
			return plan
		}
	}
	plan.Ops = o.ops
	if !o.ended {
		plan.Ops = append(plan.Ops, hold(f.v))
	}
	f.p.atLeast(o.takes)
	return plan
}

// checkExit makes a process whose main thread exits or crashes one that ends by
// plan.
func (f *filePlan) checkExit(path string, index int, q *fileProcess) {
	ops := f.p.Processes[index].Threads[0].Ops
	if len(ops) == 0 {
		return
	}
	how, end := "exit", &End{Reaped: true}
	switch last := ops[len(ops)-1]; last.Kind {
	case OpExit:
		end.Code = int(last.A)
	case OpCrash:
		how, end.Signal = "crash", signalFault
	default:
		return
	}
	switch {
	case len(q.Thread) > 0:
		f.complain(path, "a process that ends by %s has no [[process.thread]]: they would end with it", how)
	case f.p.Processes[index].Parent != 0:
		f.complain(path, "a process that ends by %s must be a child of the root, which waits for it", how)
	}
	f.ends = true
	f.p.Processes[index].End = end
}

// object finds or makes the lock or pipe of a name.
func (f *filePlan) object(kind ObjectKind, name string) int {
	key := fmt.Sprint(kind, " ", name)
	i, ok := f.objects[key]
	if !ok {
		i = f.p.object(Object{Kind: kind, Role: name})
		f.objects[key] = i
	}
	return i
}

// checkShared finds what would have somebody wait for ever.
func (f *filePlan) checkShared() {
	if len(f.errs) > 0 {
		return
	}
	for _, name := range sortedKeys(f.sent, f.wanted) {
		if s, w := f.sent[name], f.wanted[name]; s != w {
			f.complain("", "pipe %q: %d messages are sent and %d received: somebody would wait for ever", name, s, w)
		}
	}
	if circle := findCircle(f.order); circle != nil {
		f.complain("", "locks %s are taken in different orders: their owners could wait for each other for ever", strings.Join(circle, ", "))
	}
	for i := range f.p.Processes {
		if parent := f.p.Processes[i].Parent; parent >= 0 && f.p.Processes[parent].End != nil {
			f.complain("", "process %q ends by exit or crash, so it cannot be the parent of %q", f.p.Processes[parent].Role, f.p.Processes[i].Role)
		}
	}
}

func sortedKeys(a, b map[string]int) []string {
	var keys []string
	for _, m := range []map[string]int{a, b} {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// findCircle gives the locks of a circle in the order of taking, nil without one.
func findCircle(order map[string][]string) []string {
	const open, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(string) []string
	visit = func(name string) []string {
		switch state[name] {
		case done:
			return nil
		case open:
			return path[slices.Index(path, name):]
		}
		state[name] = open
		path = append(path, name)
		for _, next := range order[name] {
			if c := visit(next); c != nil {
				return c
			}
		}
		path = path[:len(path)-1]
		state[name] = done
		return nil
	}
	names := make([]string, 0, len(order))
	for name := range order {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if c := visit(name); c != nil {
			return slices.Clone(c)
		}
	}
	return nil
}
