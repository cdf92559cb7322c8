package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"taskscope/inspect"
	"taskscope/views/model"
)

func newDoctorCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Show what the kernel lets taskscope read here, and what would give the rest",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rep := inspect.Probe(cmd.Context(), a.procRoot)
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, doctorJSON(rep))
			}
			return a.writeDoctor(rep)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	exampleFor(c, "taskscope doctor", "taskscope doctor --json")
	return c
}

type capabilityJSON struct {
	ID     string   `json:"id"`
	Title  string   `json:"title"`
	State  string   `json:"state"` // available, absent, unknown
	Reason string   `json:"reason"`
	Remedy string   `json:"remedy"` // the one command or change that gives this one alone
	Needs  []string `json:"needs"`  // what the program's file must have for it, as setcap names it
}

func doctorJSON(rep *inspect.Report) any {
	list := make([]capabilityJSON, len(rep.Capabilities))
	for i, c := range rep.Capabilities {
		list[i] = capabilityJSON(c)
		list[i].Needs = append([]string{}, c.Needs...)
	}
	doc := struct {
		Capabilities []capabilityJSON  `json:"capabilities"`
		Grant        *string           `json:"grant"`       // the one command that gives all that have needs
		GrantGives   []string          `json:"grant_gives"` // their ids
		Why          map[string]string `json:"why"`
	}{list, &rep.Grant, append([]string{}, rep.Gives...), map[string]string{}}
	if rep.Grant == "" {
		doc.Grant, doc.Why["grant"] = nil, rep.NoGrant
	}
	return doc
}

func (a *app) writeDoctor(rep *inspect.Report) error {
	var b strings.Builder
	for _, l := range model.Doctor(rep, a.stdout.width()) {
		b.WriteString(a.clean(l.Text()) + "\n")
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// unknown is how a value that is not known is shown.
func (a *app) unknown() string {
	if a.ascii {
		return "-"
	}
	return "—"
}

// writeJSON prints v as one line of JSON.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
