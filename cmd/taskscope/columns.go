package main

import (
	"strconv"
	"strings"

	"taskscope/inspect"
	"taskscope/views/model"
)

// parseFields reads a comma-separated list of field ids.
func parseFields(flag, list string) ([]*inspect.Field, error) {
	var out []*inspect.Field
	for id := range strings.SplitSeq(list, ",") {
		f, err := fieldByID(flag, strings.TrimSpace(id))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// fieldByID finds a field, or complains with the nearest one.
func fieldByID(flag, id string) (*inspect.Field, error) {
	if f, ok := inspect.FieldByID(id); ok {
		return f, nil
	}
	var ids []string
	for _, f := range inspect.Fields() {
		ids = append(ids, f.ID)
	}
	if near := nearest(id, ids); near != "" {
		return nil, usage("%s: no field %q: did you mean %s?", flag, id, near)
	}
	return nil, usage("%s: no field %q: taskscope fields lists them", flag, id)
}

// mustFields are fields named in this program.
func mustFields(ids ...string) []*inspect.Field {
	var out []*inspect.Field
	for _, id := range ids {
		if f, ok := inspect.FieldByID(id); ok {
			out = append(out, f)
		}
	}
	return out
}

// wantOf is what has to be read for these fields.
func wantOf(fields []*inspect.Field) inspect.Want {
	var w inspect.Want
	for _, f := range fields {
		w |= f.Want
		if f.ID == "start_time" {
			w |= inspect.WantHost // the boot time
		}
	}
	return w
}

func anyRate(fields []*inspect.Field) bool {
	for _, f := range fields {
		if f.Rate {
			return true
		}
	}
	return false
}

// fieldColumns are the headings of a table of fields.
func fieldColumns(fields []*inspect.Field) []column {
	out := make([]column, len(fields))
	for i, f := range fields {
		out[i] = column{f.Title, f.Left}
	}
	return out
}

// cell is the text of one field of one row, for people.
func (a *app) cell(f *inspect.Field, r inspect.Row) string {
	v := f.Get(r)
	if f.ID == "cmdline" && strings.Join(v.L, "") == "" {
		return a.bareCommand(r.Process, v)
	}
	return a.valueText(f.Unit, v)
}

// bareCommand stands for a command line that has no words: kernel threads never
// had one, a zombie has given its own back. The name says who it is all the same,
// in brackets because it is not what the program was started with. A line that
// could not be read stays unknown.
func (a *app) bareCommand(p *inspect.Process, v inspect.Value) string {
	if v.OK() || v.Why == inspect.KernelThread || v.Why == inspect.Zombie {
		return a.clean("[" + p.Comm + "]")
	}
	return a.unknown()
}

// valueText is the text of a value, for people.
func (a *app) valueText(unit inspect.Unit, v inspect.Value) string {
	if !v.OK() {
		return a.unknown()
	}
	switch v.Kind {
	case inspect.KindInt, inspect.KindUint, inspect.KindFloat:
		return numberText(unit, v)
	case inspect.KindString:
		return a.clean(v.S)
	case inspect.KindBool:
		return yesNo(v.B)
	case inspect.KindStrings:
		return a.clean(strings.Join(v.L, " "))
	case inspect.KindTime:
		return v.T.Local().Format("2006-01-02 15:04:05")
	}
	return a.unknown()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// numberText writes a number in the unit people read it in.
func numberText(unit inspect.Unit, v inspect.Value) string {
	switch {
	case v.Kind == inspect.KindFloat && unit == inspect.UnitBytesPS:
		return model.Bytes(uint64(max(v.F, 0))) + "/s"
	case v.Kind == inspect.KindFloat && unit == inspect.UnitPercent:
		return model.Percent(v.F)
	case v.Kind == inspect.KindFloat && unit == inspect.UnitPerSec:
		return model.Rate(v.F)
	case v.Kind == inspect.KindFloat:
		return strconv.FormatFloat(v.F, 'f', 2, 64)
	case v.Kind == inspect.KindUint && unit == inspect.UnitBytes:
		return model.Bytes(v.U)
	case v.Kind == inspect.KindUint && unit == inspect.UnitNS:
		return model.Duration(v.U)
	case v.Kind == inspect.KindInt && unit == inspect.UnitBytes && v.I < 0:
		return "-" + model.Bytes(uint64(-v.I))
	case v.Kind == inspect.KindInt && unit == inspect.UnitBytes:
		return model.Bytes(uint64(v.I))
	case v.Kind == inspect.KindInt:
		return strconv.FormatInt(v.I, 10)
	}
	return strconv.FormatUint(v.U, 10)
}

// csvCell is the text of one field of one row, for programs: plain numbers in
// the unit of the field's name, and nothing for unknown.
func csvCell(f *inspect.Field, r inspect.Row) string {
	v := f.Get(r)
	if !v.OK() {
		return ""
	}
	switch v.Kind {
	case inspect.KindInt:
		return strconv.FormatInt(v.I, 10)
	case inspect.KindUint:
		return strconv.FormatUint(v.U, 10)
	case inspect.KindFloat:
		return strconv.FormatFloat(v.F, 'f', -1, 64)
	case inspect.KindString:
		return escapeText(v.S)
	case inspect.KindBool:
		return strconv.FormatBool(v.B)
	case inspect.KindStrings:
		return escapeText(strings.Join(v.L, " "))
	case inspect.KindTime:
		return v.T.UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	return ""
}
