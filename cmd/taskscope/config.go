package main

import (
	"encoding"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskscope/inspect"
	"taskscope/views"
	"taskscope/views/model"
)

// config is what can be set in the configuration file: how the interactive
// view opens. Batch commands do not look at it, so that scripts see the same
// everywhere.
type config struct {
	Interval configDuration `toml:"interval"`
	Layout   configLayout   `toml:"layout"`
	TreeSort configSort     `toml:"tree_sort"`
	ListSort configSort     `toml:"list_sort"`
	Columns  []configField  `toml:"columns"`
	ASCII    bool           `toml:"ascii"`
	Color    bool           `toml:"color"`
}

// defaultConfig is in force without a file.
func defaultConfig() config {
	return config{Interval: configDuration(time.Second), Layout: configLayout{"tree"}, TreeSort: configSort{"pid"}, ListSort: configSort{"cpu_percent"}, Columns: []configField{}, Color: true}
}

// configKeys are the keys of the file, in the order in which they are written.
var configKeys = []struct {
	name, doc string
	value     func(*config) string // as TOML
}{
	{"interval", "time between two samples", func(c *config) string { return quoted(c.Interval) }},
	{"layout", "the processes as a tree or as a list", func(c *config) string { return quoted(c.Layout) }},
	{"tree_sort", "order among siblings, a field; -field reverses it", func(c *config) string { return quoted(c.TreeSort) }},
	{"list_sort", "order of the list, likewise", func(c *config) string { return quoted(c.ListSort) }},
	{"columns", "fields, [] for what fits the screen", func(c *config) string {
		var names []string
		for _, f := range c.Columns {
			names = append(names, quoted(f))
		}
		return "[" + strings.Join(names, ", ") + "]"
	}},
	{"ascii", "plain ASCII, no lines and blocks", func(c *config) string { return fmt.Sprint(c.ASCII) }},
	{"color", "colours", func(c *config) string { return fmt.Sprint(c.Color) }},
}

// quoted is a value as a TOML string.
func quoted(v encoding.TextMarshaler) string {
	b, err := v.MarshalText()
	if err != nil {
		return `""` // none of the types below can fail
	}
	return fmt.Sprintf("%q", b)
}

// configDuration is an interval as --interval takes it.
type configDuration time.Duration

// UnmarshalText reads "500ms", "2s" or "1m".
func (d *configDuration) UnmarshalText(b []byte) error {
	var v time.Duration
	f := intervalFlag(&v)
	if err := f.Set(string(b)); err != nil {
		return err
	}
	*d = configDuration(v)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d configDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// The decoder asks a type that is a string by itself no questions, so these are
// not.

// configLayout is "tree" or "list".
type configLayout struct{ word string }

// UnmarshalText refuses other words.
func (l *configLayout) UnmarshalText(b []byte) error {
	f := choiceFlag{&l.word, []string{"tree", "list"}}
	return f.Set(string(b))
}

// MarshalText writes the word.
func (l configLayout) MarshalText() ([]byte, error) { return []byte(l.word), nil }

// configField is the id of a field.
type configField struct{ id string }

// UnmarshalText refuses what is no field.
func (f *configField) UnmarshalText(b []byte) error {
	if _, ok := inspect.FieldByID(string(b)); !ok {
		return unknownField(string(b))
	}
	f.id = string(b)
	return nil
}

// MarshalText writes the id.
func (f configField) MarshalText() ([]byte, error) { return []byte(f.id), nil }

// unknownField is a complaint that names the field that may be meant.
func unknownField(id string) error {
	var ids []string
	for _, f := range inspect.Fields() {
		ids = append(ids, f.ID)
	}
	if near := nearest(id, ids); near != "" {
		return fmt.Errorf("no field %q: did you mean %s?", id, near)
	}
	return fmt.Errorf("no field %q: see taskscope fields", id)
}

// configSort is a field, with "-" in front for the reverse of its natural order.
type configSort struct{ field string }

// UnmarshalText refuses what is no field.
func (s *configSort) UnmarshalText(b []byte) error {
	id := strings.TrimPrefix(string(b), "-")
	if _, ok := inspect.FieldByID(id); !ok {
		return unknownField(id)
	}
	s.field = string(b)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (s configSort) MarshalText() ([]byte, error) { return []byte(s.field), nil }

func (s configSort) order() model.Order {
	id, reverse := strings.CutPrefix(s.field, "-")
	f, ok := inspect.FieldByID(id)
	return model.Order{Field: id, Desc: ok && f.Desc != reverse}
}

func sortOf(o model.Order) configSort {
	if f, ok := inspect.FieldByID(o.Field); ok && f.Desc != o.Desc {
		return configSort{"-" + o.Field}
	}
	return configSort{o.Field}
}

// view is what the interactive view gets of it.
func (c *config) view() views.View {
	v := views.View{Flat: c.Layout.word == "list", TreeSort: c.TreeSort.order(), ListSort: c.ListSort.order(), Interval: time.Duration(c.Interval)}
	for _, f := range c.Columns {
		v.Columns = append(v.Columns, f.id)
	}
	return v
}

// take puts a view into the configuration.
func (c *config) take(v views.View) {
	c.Interval, c.TreeSort, c.ListSort = configDuration(v.Interval), sortOf(v.TreeSort), sortOf(v.ListSort)
	c.Layout.word = "tree"
	if v.Flat {
		c.Layout.word = "list"
	}
	c.Columns = []configField{}
	for _, id := range v.Columns {
		c.Columns = append(c.Columns, configField{id})
	}
}

// text is the configuration as TOML, each line with a remark.
func (c *config) text(remark func(i int) string) string {
	var b strings.Builder
	for i := range configKeys {
		k := &configKeys[i]
		fmt.Fprintf(&b, "%-40s # %s\n", k.name+" = "+k.value(c), remark(i))
	}
	return b.String()
}

// effective is the configuration in force: flags before the file before the
// defaults, and where each value comes from.
func (a *app) effective() (c config, from []string, err error) {
	path := a.configPath()
	c, given, err := readConfig(path)
	if err != nil {
		return c, nil, err
	}
	from = make([]string, len(configKeys))
	for i := range configKeys {
		from[i] = "default"
		if slices.Contains(given, configKeys[i].name) {
			from[i] = "file"
		}
	}
	flag := func(key, name string, set func()) {
		if !a.flagSet(name) {
			return
		}
		set()
		for i := range configKeys {
			if configKeys[i].name == key {
				from[i] = "--" + name
			}
		}
	}
	flag("interval", "interval", func() { c.Interval = configDuration(a.interval) })
	flag("ascii", "ascii", func() { c.ASCII = a.ascii })
	flag("color", "no-color", func() { c.Color = !a.noColor })
	if a.noColor && c.Color { // by NO_COLOR
		c.Color = false
		from[len(from)-1] = "NO_COLOR"
	}
	return c, from, nil
}

func newConfigCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration in force",
		Long: `Print the configuration of the interactive view that is in force, as TOML, with
where each value comes from: a flag, the file, or the default, in this order. The
file is $XDG_CONFIG_HOME/taskscope/config.toml, else ~/.config/taskscope/config.toml;
Ctrl-S in the interactive view writes it. Batch commands do not look at it.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			conf, from, err := a.effective()
			if err != nil {
				return err
			}
			path := a.configPath()
			if path == "" {
				path = "no file: neither XDG_CONFIG_HOME nor HOME is set"
			}
			_, err = fmt.Fprintf(a.stdout, "# %s\n%s", a.clean(path), conf.text(func(i int) string { return from[i] }))
			return err
		},
	}
	exampleFor(c, "taskscope config", "taskscope config --interval 2s")
	return c
}
