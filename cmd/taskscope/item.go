package main

import (
	"strconv"
	"strings"

	"taskscope/inspect"
)

// item is one named fact of a process, printed as a member of a JSON object and
// as a line of text.
type item struct {
	key   string
	unit  inspect.Unit
	value inspect.Value
	pids  []int // instead of value: a list of PIDs
}

func (x item) json(o *jsonObject) {
	if x.pids != nil {
		o.ints(x.key, x.pids)
		return
	}
	o.value(x.key, x.value)
}

func (x item) text(a *app) string {
	if x.pids != nil {
		list := make([]string, len(x.pids))
		for i, pid := range x.pids {
			list[i] = strconv.Itoa(pid)
		}
		if len(list) == 0 {
			return "none"
		}
		return strings.Join(list, " ")
	}
	if !x.value.OK() {
		return a.unknown() + "  (" + x.value.Why.Text() + ")"
	}
	return a.valueText(x.unit, x.value)
}

// The makers of values from Known ones.

func intItem(key string, k inspect.Known[int]) item {
	return item{key: key, value: inspect.Value{Kind: inspect.KindInt, Why: k.Why, I: int64(k.V)}}
}

func uintItem[T ~uint32 | ~uint64](key string, k inspect.Known[T]) item {
	return item{key: key, value: inspect.Value{Kind: inspect.KindUint, Why: k.Why, U: uint64(k.V)}}
}

func boolItem(key string, k inspect.Known[bool]) item {
	return item{key: key, value: inspect.Value{Kind: inspect.KindBool, Why: k.Why, B: k.V}}
}

func textItem(key string, k inspect.Known[string]) item {
	return item{key: key, value: inspect.Value{Kind: inspect.KindString, Why: k.Why, S: k.V}}
}

func hexItem(key string, k inspect.Known[uint64]) item {
	return textItem(key, inspect.Known[string]{V: "0x" + strconv.FormatUint(k.V, 16), Why: k.Why})
}

// fieldItems are fields of the table for one row.
func fieldItems(r inspect.Row, ids ...string) []item {
	var out []item
	for _, f := range mustFields(ids...) {
		out = append(out, item{key: f.ID, unit: f.Unit, value: f.Get(r)})
	}
	return out
}
