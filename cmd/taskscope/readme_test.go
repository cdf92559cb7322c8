package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
	"taskscope/views"
)

var updateReadme = flag.Bool("update-readme", false, "rewrite the generated parts of README.md")

const readmePath = "../../README.md"

// TestReadmeGenerated holds the generated parts of the README against the
// tables they come from: keys, fields, loads.
func TestReadmeGenerated(t *testing.T) {
	old, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	text := string(old)
	for _, part := range []struct{ name, body string }{
		{"keys", views.KeysMarkdown()},
		{"loads", loadsMarkdown()},
		{"fields", fieldsMarkdown()},
	} {
		text, err = replacePart(text, part.name, part.body)
		if err != nil {
			t.Fatal(err)
		}
	}
	if text == string(old) {
		return
	}
	if !*updateReadme {
		t.Fatal("the generated parts of README.md are stale: go test ./cmd/taskscope -run TestReadmeGenerated -update-readme")
	}
	if err := os.WriteFile(readmePath, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replacePart puts body between the two marks of a generated part.
func replacePart(text, name, body string) (string, error) {
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	head, rest, ok := strings.Cut(text, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("README.md has no marks for the part %q", name)
	}
	return head + begin + "\n" + strings.TrimSpace(body) + "\n\n" + end + tail, nil
}

func fieldsMarkdown() string {
	var b strings.Builder
	b.WriteString("| field | unit | scope | kernel source | meaning |\n|---|---|---|---|---|\n")
	for _, f := range inspect.Fields() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.ID, f.Unit, f.Scope,
			strings.ReplaceAll(strings.Join(f.Sources, ", "), "|", `\|`), strings.ReplaceAll(f.Doc, "|", `\|`))
	}
	return b.String()
}

func loadsMarkdown() string {
	var b strings.Builder
	b.WriteString("| load | what it is | parameters (default) |\n|---|---|---|\n")
	for _, s := range load.All() {
		var params []string
		for _, p := range s.Params {
			params = append(params, fmt.Sprintf("`%s` (%s)", p.Name, p.Default))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Name, s.Title, strings.Join(params, " "))
	}
	return b.String()
}

// TestReadmeCommands makes sure that every command line the README shows in a
// code block names a command that exists.
func TestReadmeCommands(t *testing.T) {
	text, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	root := newRootCommand(&app{getenv: os.Getenv})
	seen := 0
	for line := range strings.Lines(string(text)) {
		command, _, _ := strings.Cut(line, "#")
		words := strings.Fields(command)
		if len(words) == 0 || words[0] != "taskscope" || words[len(words)-1] == "CPU" { // the picture
			continue
		}
		seen++
		if len(words) == 1 {
			continue
		}
		if found, _, err := root.Find(words[1:]); err != nil || found == root {
			t.Errorf("README shows %q, which is no command", strings.TrimSpace(line))
		}
	}
	if seen < 5 {
		t.Errorf("README shows only %d command lines", seen)
	}
}
