package inspect

import (
	"cmp"
	"slices"
	"strings"
)

// fieldTable is the one table of fields. It is never written after start-up.
var fieldTable = slices.Concat(
	identityFields(),
	stateFields(),
	schedulingFields(),
	timeFields(),
	switchFields(),
	memoryFields(),
	resourceFields(),
)

// fieldIndex finds a field's place in fieldTable.
var fieldIndex = func() map[string]int {
	m := make(map[string]int, len(fieldTable))
	for i := range fieldTable {
		m[fieldTable[i].ID] = i
	}
	return m
}()

// Fields is the field table, in canonical order. The slice is shared: callers
// must not change it.
func Fields() []Field { return fieldTable }

// FieldByID finds a field by its exact ID.
func FieldByID(id string) (*Field, bool) {
	i, ok := fieldIndex[id]
	if !ok {
		return nil, false
	}
	return &fieldTable[i], true
}

// Less orders two rows by a field, unknown values last in either direction,
// ties by (pid, start, tid).
func Less(f *Field, desc bool, a, b Row) bool {
	return LessBy(f.Get(a), f.Get(b), desc, a, b)
}

// LessBy is Less for rows that stand for values of the same kind which are not
// those of the row itself, such as the total of a folded branch.
func LessBy(va, vb Value, desc bool, a, b Row) bool {
	switch {
	case va.OK() != vb.OK():
		return va.OK()
	case va.OK():
		c := va.Compare(vb)
		if desc {
			c = -c
		}
		if c != 0 {
			return c < 0
		}
	}
	return compareRows(a, b) < 0
}

// Compare orders two known values of the same kind; lists element by element.
// False is less than true.
func (v Value) Compare(w Value) int {
	switch v.Kind {
	case KindInt:
		return cmp.Compare(v.I, w.I)
	case KindUint:
		return cmp.Compare(v.U, w.U)
	case KindFloat:
		return cmp.Compare(v.F, w.F)
	case KindString:
		return strings.Compare(v.S, w.S)
	case KindBool:
		return cmp.Compare(boolInt(v.B), boolInt(w.B))
	case KindStrings:
		return slices.Compare(v.L, w.L)
	case KindTime:
		return v.T.Compare(w.T)
	}
	return 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compareRows(a, b Row) int {
	if a.Process != nil && b.Process != nil {
		if c := a.Process.ID.Compare(b.Process.ID); c != 0 {
			return c
		}
	}
	switch {
	case a.Thread == nil && b.Thread == nil:
		return 0
	case a.Thread == nil:
		return -1
	case b.Thread == nil:
		return 1
	}
	return a.Thread.ID.Compare(b.Thread.ID)
}
