package inspect

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// FilterError is what is wrong with a filter expression, and where.
type FilterError struct {
	Expr string // the whole expression
	Pos  int    // byte offset of the trouble
	Msg  string
}

// Error says it with the position counted in characters from 1.
func (e *FilterError) Error() string {
	return fmt.Sprintf("%s at character %d", e.Msg, utf8.RuneCountInString(e.Expr[:e.Pos])+1)
}

// Limits of an expression, against abuse rather than use.
const (
	maxFilterBytes = 4096
	maxFilterDepth = 100
)

// ParseFilter parses an expression over Fields; see Filter for the grammar. An
// empty expression matches everything. Errors are *FilterError.
func ParseFilter(expr string) (*Filter, error) {
	if len(expr) > maxFilterBytes {
		return nil, &FilterError{Expr: expr, Pos: maxFilterBytes, Msg: "expression too long"}
	}
	toks, err := scanFilter(expr)
	if err != nil {
		return nil, err
	}
	f := &Filter{text: expr}
	if toks[0].kind == tokEnd {
		return f, nil
	}
	p := &filterParser{expr: expr, toks: toks, f: f}
	f.root, err = p.or(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.fail(t, "unexpected "+strconv.Quote(t.text))
	}
	return f, nil
}

type filterParser struct {
	expr string
	toks []token
	at   int
	f    *Filter
}

func (p *filterParser) peek() token { return p.toks[p.at] }

func (p *filterParser) take() token {
	t := p.toks[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

func (p *filterParser) fail(t token, msg string) error {
	return &FilterError{Expr: p.expr, Pos: t.pos, Msg: msg}
}

func (p *filterParser) or(depth int) (filterNode, error) {
	x, err := p.and(depth)
	for err == nil && p.peek().is("or") {
		p.take()
		var y filterNode
		y, err = p.and(depth)
		x = orNode{x, y}
	}
	return x, err
}

func (p *filterParser) and(depth int) (filterNode, error) {
	x, err := p.factor(depth)
	for err == nil {
		t := p.peek()
		if t.is("and") {
			p.take()
		} else if t.kind == tokEnd || t.kind == tokClose || t.is("or") {
			break
		}
		var y filterNode
		y, err = p.factor(depth)
		x = andNode{x, y}
	}
	return x, err
}

func (p *filterParser) factor(depth int) (filterNode, error) {
	t := p.take()
	if depth > maxFilterDepth {
		return nil, p.fail(t, "nested too deep")
	}
	switch {
	case t.is("not") || t.kind == tokOp && t.text == "!":
		x, err := p.factor(depth + 1)
		return notNode{x}, err
	case t.kind == tokOpen:
		x, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if end := p.take(); end.kind != tokClose {
			return nil, p.fail(end, "missing \")\"")
		}
		return x, nil
	case t.kind == tokEnd:
		return nil, p.fail(t, "expected a word or a comparison")
	case t.kind == tokOp || t.kind == tokClose || t.is("and") || t.is("or"):
		return nil, p.fail(t, "unexpected "+strconv.Quote(t.text))
	}
	if op := p.peek(); op.kind == tokOp && op.text != "!" && t.kind == tokWord {
		p.take()
		return p.compare(t, op)
	}
	return p.word(t), nil
}

func (p *filterParser) word(t token) filterNode {
	p.f.want |= WantCmdline | WantStatus
	n, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil || n < 0 {
		n = -1
	}
	folded := []byte(t.text)
	for i, c := range folded {
		folded[i] = lower(c)
	}
	return wordNode{folded: folded, number: n}
}

func (p *filterParser) compare(name, op token) (filterNode, error) {
	f, ok := filterField(name.text)
	if !ok {
		return nil, p.fail(name, "no field "+strconv.Quote(name.text)+nearest(name.text))
	}
	v := p.take()
	if v.kind != tokWord && v.kind != tokQuoted {
		return nil, p.fail(v, "expected a value after "+op.text)
	}
	if op.text == "~" || op.text == "!~" {
		re, err := regexp.Compile(v.text)
		if err != nil {
			return nil, p.fail(v, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		p.f.want |= f.Want
		return regexpNode{field: f, negate: op.text == "!~", re: re}, nil
	}
	if f.ID == "state" && len(v.text) > 1 {
		f, _ = FieldByID("state_derived")
	}
	o, msg := parseOperand(f, v.text)
	if msg != "" {
		return nil, p.fail(v, f.ID+": "+msg)
	}
	p.f.want |= f.Want
	return compareNode{field: f, op: op.text, value: o}, nil
}

// filterField finds a field by its ID, with or without its unit.
func filterField(name string) (*Field, bool) {
	if f, ok := FieldByID(name); ok {
		return f, true
	}
	for i := range fieldTable {
		f := &fieldTable[i]
		if f.Unit != UnitNone && f.ID == name+"_"+string(f.Unit) {
			return f, true
		}
	}
	return nil, false
}

// nearest offers a field whose ID begins like the unknown name or contains it.
func nearest(name string) string {
	for _, fits := range []func(string, string) bool{strings.HasPrefix, strings.Contains} {
		for i := range fieldTable {
			if name != "" && fits(fieldTable[i].ID, name) {
				return ", did you mean " + fieldTable[i].ID + "?"
			}
		}
	}
	return ""
}

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokQuoted
	tokOp
	tokOpen
	tokClose
)

type token struct {
	kind tokenKind
	text string
	pos  int
}

// is reports whether the token is that keyword, in whatever case.
func (t token) is(keyword string) bool {
	return t.kind == tokWord && strings.EqualFold(t.text, keyword)
}

// scanFilter cuts the expression into tokens, the last of which is tokEnd.
func scanFilter(expr string) ([]token, error) {
	var toks []token
	for i := 0; i < len(expr); {
		c := expr[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '(' || c == ')':
			kind := tokOpen
			if c == ')' {
				kind = tokClose
			}
			toks = append(toks, token{kind, expr[i : i+1], i})
			i++
		case c == '"' || c == '\'':
			text, n := unquote(expr[i:])
			if n < 0 {
				return nil, &FilterError{Expr: expr, Pos: i, Msg: "quote not closed"}
			}
			toks = append(toks, token{tokQuoted, text, i})
			i += n
		case strings.IndexByte("=<>!~", c) >= 0:
			n := 1
			if i+1 < len(expr) && (expr[i+1] == '=' && c != '=' && c != '~' || c == '!' && expr[i+1] == '~') {
				n = 2
			}
			toks = append(toks, token{tokOp, expr[i : i+n], i})
			i += n
		default:
			n := wordLen(expr[i:], afterOp(toks))
			toks = append(toks, token{tokWord, expr[i : i+n], i})
			i += n
		}
	}
	return append(toks, token{tokEnd, "", len(expr)}), nil
}

func afterOp(toks []token) bool {
	return len(toks) > 0 && toks[len(toks)-1].kind == tokOp && toks[len(toks)-1].text != "!"
}

// wordLen is the length of the word s begins with: up to white space, a
// parenthesis, or an operator; a value may contain operators and quotes.
func wordLen(s string, value bool) int {
	stop := " \t\n\r()=<>!~\"'"
	if value {
		stop = " \t\n\r()"
	}
	if i := strings.IndexAny(s, stop); i >= 0 {
		return i
	}
	return len(s)
}

// unquote reads quoted text from the start of s; backslash takes the quote and
// itself literally. It returns the length used, -1 when the quote is not closed.
func unquote(s string) (string, int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), i + 1
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == s[0] || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", -1
}
