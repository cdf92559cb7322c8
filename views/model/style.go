package model

import "taskscope/inspect"

// Style says what a piece of text means; the terminal layer decides how that
// looks, with and without colour.
type Style uint8

// The styles.
const (
	Normal     Style = iota
	Muted            // secondary: units, guides, zeros, unknown values
	Strong           // a value or name that matters most on its line
	Head             // column headings
	Accent           // where one is: crumb, active tab, key names
	OK               // running; passed
	Warn             // ready and waiting; undecided; a floor instead of a total
	Bad              // failed, denied, stuck, zombie
	New              // appeared since the last sample
	Gone             // disappeared since the last sample
	Found            // matches the search
	Tagged           // marked to be acted on
	StyleCount       // number of styles
)

// Span is text of one meaning. Text is sanitised, but not escaped for any
// widget. Width, when not 0, is the number of columns it occupies: padded, or
// cut; a negative width aligns to the right.
type Span struct {
	Text  string
	Style Style
	Width int
}

// Line is a sequence of spans: one table cell or one line of text.
type Line []Span

// Plain makes a line of one span.
func Plain(text string, s Style) Line { return Line{{Text: text, Style: s}} }

// Text is the line without its styles and widths.
func (l Line) Text() string {
	if len(l) == 1 {
		return l[0].Text
	}
	n := ""
	for _, s := range l {
		n += s.Text
	}
	return n
}

// Column describes one column of a table.
type Column struct {
	ID    string // field or own name
	Title string
	Width int  // fixed, so that nothing moves when values change
	Left  bool // aligned to the left
	Flex  bool // takes what the others leave; at most one, the last
	Sort  int  // -1 descending, 1 ascending, 0 not the sort column
}

// Key identifies a row for as long as what it shows exists: never its position.
type Key struct {
	Process inspect.ID
	Thread  inspect.ThreadID
	Name    string
}

// List is a table the terminal layer can draw: only visible rows are asked for.
type List interface {
	Columns() []Column
	Len() int
	Key(i int) Key
	// Find is the position of a key, or -1.
	Find(k Key) int
	// Row gives one line per column.
	Row(i int) []Line
}

// Glyphs are the drawing characters in use.
type Glyphs struct {
	Unknown, Pending               string
	Branch, LastBranch, Pipe, Fold string // tree guides, two columns each
	LastFold, Blank                string
	Bar                            []string // fractions of one column, from empty to full
	Spark                          []string // heights, from lowest to highest
	Run, Ready, Block, None        string   // one sample of a state timeline
	PartRun, PartReady             string   // one that was mostly blocked, but ran or waited for a moment
	PartCPU                        []string // where it ran then, for the first CPUs
	Up, Down, Arrow, Dash, Ellipse string
	Tag                            string // marks what will be acted on
	AtMost, AtLeast                string // in front of a bound
	Sum                            string // the numbers of this row are totals
}

// UnicodeGlyphs draws with lines and blocks.
func UnicodeGlyphs() Glyphs {
	return Glyphs{
		Unknown: "—", Pending: "·",
		Branch: "├─", LastBranch: "└─", Pipe: "│ ", Fold: "├▸", LastFold: "└▸", Blank: "  ",
		Bar:   []string{" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"},
		Spark: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
		Run:   "█", Ready: "▒", Block: "·", None: " ", PartRun: "▖", PartReady: "░",
		PartCPU: []string{"₀", "₁", "₂", "₃", "₄", "₅", "₆", "₇", "₈", "₉"},
		Up:      "▲", Down: "▼", Arrow: "›", Dash: "─", Ellipse: "…", Tag: "◆", AtMost: "≤", AtLeast: "≥", Sum: "Σ",
	}
}

// ASCIIGlyphs draws with letters and punctuation only.
func ASCIIGlyphs() Glyphs {
	return Glyphs{
		Unknown: "-", Pending: ".",
		Branch: "|-", LastBranch: "`-", Pipe: "| ", Fold: "|+", LastFold: "`+", Blank: "  ",
		Bar:   []string{" ", "#"},
		Spark: []string{"_", ".", "-", "=", "+", "*", "#"},
		Run:   "#", Ready: "w", Block: ".", None: " ", PartRun: ",", PartReady: "'",
		Up: "^", Down: "v", Arrow: ">", Dash: "-", Ellipse: "~", Tag: "*", AtMost: "<", AtLeast: ">", Sum: "sum",
	}
}
