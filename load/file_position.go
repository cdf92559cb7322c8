package load

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// position is a place in a text, from 1.
type position struct{ line, column int }

// positions finds where in a document its keys and elements are. The paths
// are like process[0].phases[2].run. The document must be valid; what it is
// not is left out.
func positions(text []byte) map[string]position {
	ix := &indexer{at: map[string]position{}, count: map[string]int{}}
	ix.p.Reset(text)
	prefix := ""
	for ix.p.NextExpression() {
		switch e := ix.p.Expression(); e.Kind {
		case unstable.KeyValue:
			ix.keyValue(prefix, e)
		case unstable.Table:
			prefix = ix.header(e, false)
		case unstable.ArrayTable:
			prefix = ix.header(e, true)
		}
	}
	return ix.at
}

type indexer struct {
	p     unstable.Parser
	at    map[string]position
	count map[string]int // tables of an array so far, by its path
}

func (ix *indexer) mark(path string, n *unstable.Node) {
	if n.Raw.Length == 0 {
		return
	}
	if _, ok := ix.at[path]; !ok {
		start := ix.p.Shape(n.Raw).Start
		ix.at[path] = position{start.Line, start.Column}
	}
}

// header gives the path of a table; each element of the way that is an array
// of tables means its newest one.
func (ix *indexer) header(e *unstable.Node, array bool) string {
	path := ""
	for it := e.Key(); it.Next(); {
		path = join(path, string(it.Node().Data))
		switch n := ix.count[path]; {
		case it.IsLast() && array:
			ix.count[path] = n + 1
			path = fmt.Sprintf("%s[%d]", path, n)
		case n > 0:
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
		ix.mark(path, it.Node())
	}
	return path
}

func (ix *indexer) keyValue(prefix string, e *unstable.Node) {
	path := prefix
	for it := e.Key(); it.Next(); {
		path = join(path, string(it.Node().Data))
		ix.mark(path, it.Node())
	}
	ix.value(path, e.Value())
}

func (ix *indexer) value(path string, v *unstable.Node) {
	switch v.Kind {
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); {
			n := it.Node()
			if n.Kind == unstable.Comment {
				continue
			}
			element := fmt.Sprintf("%s[%d]", path, i)
			ix.mark(element, n)
			ix.value(element, n)
			i++
		}
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if n := it.Node(); n.Kind == unstable.KeyValue {
				ix.keyValue(path, n)
			}
		}
	}
}

func join(prefix, key string) string {
	if prefix == "" {
		return strings.ToLower(key)
	}
	return prefix + "." + strings.ToLower(key)
}
