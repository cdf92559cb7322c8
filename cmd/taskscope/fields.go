package main

import (
	"strings"

	"github.com/spf13/cobra"

	"taskscope/inspect"
)

func newFieldsCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "fields",
		Short: "List every field: its unit, scope, kernel source and meaning",
		Long: `List every field that can be shown, sorted by (--sort), filtered by (--filter),
chosen as a column (-o) and found in the JSON output, and after them the members
that only the JSON output has.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return writeJSON(a.stdout, fieldsJSON(inspect.Fields()))
			}
			return a.writeFields(inspect.Fields())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	exampleFor(c, "taskscope fields", "taskscope fields --json")
	return c
}

type fieldJSON struct {
	ID          string   `json:"id"`
	Title       string   `json:"title"`
	Unit        string   `json:"unit"`
	Kind        string   `json:"kind"`
	Scope       string   `json:"scope"`  // in the object of a process
	Thread      bool     `json:"thread"` // also in the object of a thread, with scope thread there
	Rate        bool     `json:"rate"`
	SourceFiles []string `json:"source_files"`
	Meaning     string   `json:"meaning"`
}

func fieldsJSON(fields []inspect.Field) any {
	list := make([]fieldJSON, len(fields))
	for i, f := range fields {
		list[i] = fieldJSON{
			ID: f.ID, Title: f.Title, Unit: string(f.Unit), Kind: kindName(f.Kind), Scope: string(f.Scope),
			Thread: f.Thread, Rate: f.Rate, SourceFiles: append([]string{}, f.Sources...), Meaning: f.Doc,
		}
	}
	return struct {
		Fields []fieldJSON `json:"fields"`
	}{append(list, documentFields()...)}
}

func (a *app) writeFields(fields []inspect.Field) error {
	t := table{columns: []column{{"FIELD", true}, {"UNIT", true}, {"SCOPE", true}, {"THREADS", true}, {"SOURCE", true}, {"MEANING", true}}}
	for _, f := range fields {
		threads := ""
		if f.Thread {
			threads = "yes"
		}
		t.add(f.ID, string(f.Unit), string(f.Scope), threads, strings.Join(f.Sources, ", "), f.Doc)
	}
	for _, f := range documentFields() {
		t.add(f.ID, f.Unit, f.Scope, "", strings.Join(f.SourceFiles, ", "), f.Meaning+" (JSON only)")
	}
	return t.write(a.stdout, a.stdout.width())
}

// kindName is the JSON type of a field's values.
func kindName(k inspect.Kind) string {
	switch k {
	case inspect.KindInt, inspect.KindUint:
		return "integer"
	case inspect.KindFloat:
		return "number"
	case inspect.KindString:
		return "string"
	case inspect.KindBool:
		return "boolean"
	case inspect.KindStrings:
		return "strings"
	case inspect.KindTime:
		return "time"
	}
	return "unknown"
}
