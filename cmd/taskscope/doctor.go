package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"taskscope/inspect"
)

func newDoctorCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Show what the kernel lets taskscope read here, and what would give the rest",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			caps := inspect.Probe(cmd.Context(), a.procRoot)
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, doctorJSON(caps))
			}
			return a.writeDoctor(caps)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	exampleFor(c, "taskscope doctor", "taskscope doctor --json")
	return c
}

type capabilityJSON struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	State  string `json:"state"` // available, absent, unknown
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

func doctorJSON(caps []inspect.Capability) any {
	list := make([]capabilityJSON, len(caps))
	for i, c := range caps {
		list[i] = capabilityJSON(c)
	}
	return struct {
		Capabilities []capabilityJSON `json:"capabilities"`
	}{list}
}

func (a *app) writeDoctor(caps []inspect.Capability) error {
	t := table{columns: []column{{"STATE", true}, {"CAPABILITY", true}, {"WHY", true}, {"WHAT WOULD GIVE IT", true}}}
	for _, c := range caps {
		t.add(c.State, a.clean(c.Title), a.orDash(c.Reason), a.orDash(c.Remedy))
	}
	return t.write(a.stdout, a.stdout.width())
}

// orDash is the text made safe, or the sign for nothing to say.
func (a *app) orDash(s string) string {
	if s == "" {
		return a.unknown()
	}
	return a.clean(s)
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
