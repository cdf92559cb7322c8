package verify

import (
	"math"
	"strconv"

	"taskscope/inspect"
	"taskscope/load"
)

// reading is a value, or the reason why there is none.
type reading struct {
	ok     bool
	isText bool
	num    float64
	str    string
	// absent: the task is not there although it must be; lacking: a permission
	// or capability is missing. Otherwise, without ok, it is just not known.
	absent, lacking bool
	why             string
	source          string
	note            string // added to the reason of a miss
}

func number(v float64) reading { return reading{ok: true, num: v} }
func words(s string) reading   { return reading{ok: true, isText: true, str: s} }
func unknown(why string) reading {
	return reading{why: why}
}
func absent(why string) reading { return reading{absent: true, why: why} }

// value is what Check shows.
func (r reading) value() any {
	switch {
	case !r.ok:
		return nil
	case r.isText:
		return r.str
	case math.IsNaN(r.num) || math.IsInf(r.num, 0): // JSON has neither
		return nil
	}
	return r.num
}

func (r reading) text() string {
	switch {
	case !r.ok:
		return "nothing"
	case r.isText:
		return strconv.Quote(r.str)
	case r.num == math.Trunc(r.num) && math.Abs(r.num) < 1e15:
		return strconv.FormatFloat(r.num, 'f', -1, 64)
	}
	return strconv.FormatFloat(r.num, 'f', 3, 64)
}

// unread turns the inspector's reason into a reading.
func unread(why inspect.Why) reading {
	r := unknown(why.Text())
	switch why {
	case inspect.Gone:
		r.absent = true
	case inspect.Denied, inspect.NeedsPtrace, inspect.NeedsPtraceDAC, inspect.NeedsSysAdmin,
		inspect.NotSupported, inspect.Disabled, inspect.SourceLacks:
		r.lacking = true
	}
	return r
}

// fieldValue reads a field of the inspector's table.
func fieldValue(v inspect.Value) reading {
	if !v.OK() {
		return unread(v.Why)
	}
	switch v.Kind {
	case inspect.KindInt:
		return number(float64(v.I))
	case inspect.KindUint:
		return number(float64(v.U))
	case inspect.KindFloat:
		return number(v.F)
	case inspect.KindString:
		return words(v.S)
	case inspect.KindBool:
		if v.B {
			return number(1)
		}
		return number(0)
	}
	return unknown("not a single number or text")
}

// expected is the promised value.
func (j *judge) expected(q *load.Promise) reading {
	if d := j.derived[q.Field]; d != nil && d.expected != nil {
		return d.expected(j, q)
	}
	if q.ExpectText != "" {
		return words(q.ExpectText)
	}
	v, ok := j.m.Eval(&q.Expect, q.Process, q.Thread)
	if !ok {
		return unknown("it depends on a report the worker has not made")
	}
	return number(v)
}

// selfReported is the same value by the worker's own account.
func (j *judge) selfReported(q *load.Promise) reading {
	if d := j.derived[q.Field]; d != nil && d.report != nil {
		return d.report(j)
	}
	if q.Self != nil {
		v, ok := j.m.Eval(q.Self, q.Process, q.Thread)
		if !ok {
			return unknown("the worker has not reported")
		}
		return number(v)
	}
	if d := j.derived[q.Field]; d != nil && d.self != nil {
		return d.self(j, q)
	}
	if q.Field == "comm" && q.Process >= 0 && q.Process < len(j.m.Processes) {
		if p := &j.m.Processes[q.Process]; q.Thread >= 0 && q.Thread < len(p.Threads) {
			return words(p.Threads[q.Thread].Name)
		}
	}
	return reading{}
}
