package inspect

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Filter is a parsed filter expression. The grammar:
//
//	expr    = term { "or" term }
//	term    = factor { ["and"] factor }
//	factor  = "not" factor | "!" factor | "(" expr ")" | compare | word
//	compare = field op value
//	op      = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
//	value   = word | "quoted text" | 'quoted text'
//
// A bare word (or quoted text) matches when it occurs, in whatever case, in
// the name, the command line or the user, or is the PID or TID.
//
// A field is an ID of Fields, or an ID without its unit (rss for rss_bytes,
// cpu for cpu_percent). Numbers may carry a unit: 64MiB, 1.5GB, 50%, 10ms.
// = and != compare text exactly, ~ and !~ search with a regular expression.
// state also takes the words of state_derived. Times are RFC 3339.
//
// The logic has three values: a comparison with an unknown value is unknown,
// and so are "not" of it and whatever hangs on it; a row whose result is
// unknown does not match.
type Filter struct {
	text string
	root filterNode
	want Want
}

// tri is a truth value.
type tri int8

const (
	isFalse tri = iota
	isUnknown
	isTrue
)

func truth(b bool) tri {
	if b {
		return isTrue
	}
	return isFalse
}

// filterNode is one node of the expression.
type filterNode interface{ eval(Row) tri }

// Match reports whether the row satisfies the expression. Unknown values
// never match a comparison. A nil Filter matches everything.
func (f *Filter) Match(r Row) bool { return f == nil || f.root == nil || f.root.eval(r) == isTrue }

// Want is what has to be read to evaluate the filter.
func (f *Filter) Want() Want {
	if f == nil {
		return 0
	}
	return f.want
}

// String is the expression as it was given.
func (f *Filter) String() string {
	if f == nil {
		return ""
	}
	return f.text
}

type (
	notNode  struct{ x filterNode }
	andNode  struct{ x, y filterNode }
	orNode   struct{ x, y filterNode }
	wordNode struct {
		folded []byte // lower case
		number int64  // its value as a PID, -1 when it is none
	}
	compareNode struct {
		field *Field
		op    string
		value operand
	}
	regexpNode struct {
		field  *Field
		negate bool
		re     *regexp.Regexp
	}
)

func (n notNode) eval(r Row) tri { return isTrue - n.x.eval(r) }
func (n andNode) eval(r Row) tri { return min(n.x.eval(r), n.y.eval(r)) }
func (n orNode) eval(r Row) tri  { return max(n.x.eval(r), n.y.eval(r)) }

func (n wordNode) eval(r Row) tri {
	p := r.Process
	if int64(p.ID.PID) == n.number || r.Thread != nil && int64(r.Thread.ID.TID) == n.number {
		return isTrue
	}
	if n.in(p.Comm) || n.in(p.User) || r.Thread != nil && n.in(r.Thread.Comm) {
		return isTrue
	}
	if len(p.Cmdline.V) > 0 && n.inCmdline(p.Cmdline.V) {
		return isTrue
	}
	return isFalse
}

func (n wordNode) inCmdline(args []string) bool {
	for _, a := range args {
		if n.in(a) {
			return true
		}
	}
	// The word may span arguments: "sleep 60".
	return bytes.IndexByte(n.folded, ' ') >= 0 && n.in(strings.Join(args, " "))
}

// in reports whether the word occurs in s, letter case of ASCII ignored.
func (n wordNode) in(s string) bool {
	w := n.folded
	for i := 0; i+len(w) <= len(s); i++ {
		k := 0
		for k < len(w) && lower(s[i+k]) == w[k] {
			k++
		}
		if k == len(w) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func (n regexpNode) eval(r Row) tri {
	v := n.field.Get(r)
	if !v.OK() {
		return isUnknown
	}
	return truth(n.re.MatchString(v.text()) != n.negate)
}

func (n compareNode) eval(r Row) tri {
	v := n.field.Get(r)
	if !v.OK() {
		return isUnknown
	}
	c, equalOnly := n.value.compare(v)
	switch n.op {
	case "=":
		return truth(c == 0)
	case "!=":
		return truth(c != 0)
	}
	if equalOnly {
		return isFalse
	}
	switch n.op {
	case "<":
		return truth(c < 0)
	case "<=":
		return truth(c <= 0)
	case ">":
		return truth(c > 0)
	}
	return truth(c >= 0)
}

// text is a known value as people write it.
func (v Value) text() string {
	switch v.Kind {
	case KindInt:
		return strconv.FormatInt(v.I, 10)
	case KindUint:
		return strconv.FormatUint(v.U, 10)
	case KindFloat:
		return strconv.FormatFloat(v.F, 'f', -1, 64)
	case KindBool:
		return strconv.FormatBool(v.B)
	case KindStrings:
		return strings.Join(v.L, " ")
	case KindTime:
		return v.T.Format(time.RFC3339)
	}
	return v.S
}
