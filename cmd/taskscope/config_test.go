package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"taskscope/views"
	"taskscope/views/model"
)

// TestConfigFiles reads a corpus: good files are taken, bad ones refused with
// the line and the reason that their first line promises.
func TestConfigFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.toml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, path := range files {
		_, _, err := readConfig(path)
		if strings.HasPrefix(filepath.Base(path), "good-") {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		text, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		want, ok := strings.CutPrefix(first, "# want: ")
		if !ok {
			t.Fatalf("%s promises nothing", path)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\nwant %s", path, err, want)
		}
	}
}

func TestConfigOfStrangeFiles(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := readConfig(filepath.Join(dir, "none")); err != nil {
		t.Errorf("no file: %v", err)
	}
	if _, _, err := readConfig(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory: %v", err)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, configLimit+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readConfig(big); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large file: %v", err)
	}
}

// TestConfigText: what is written is what is read.
func TestConfigText(t *testing.T) {
	a, given, err := readConfig("testdata/config/good-all.toml")
	if err != nil || len(given) != len(configKeys) {
		t.Fatalf("%v %v", given, err)
	}
	for _, c := range []config{a, defaultConfig()} {
		var got config
		if _, err := parseConfig([]byte(c.text(func(i int) string { return configKeys[i].doc })), &got); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v became %+v: %v", c, got, err)
		}
	}
	if n := reflect.TypeFor[config]().NumField(); n != len(configKeys) {
		t.Errorf("%d keys of %d are written", len(configKeys), n)
	}
}

// TestConfigPrecedence: a flag comes before the file, the file before the default.
func TestConfigPrecedence(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("NO_COLOR", "")
	expect := func(want []string, args ...string) {
		t.Helper()
		code, out, errs := invoke(t, append([]string{"config"}, args...)...)
		if code != exitDone {
			t.Fatalf("exit %d: %s", code, errs)
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), w) {
				t.Errorf("config %q: %q is missing:\n%s", args, w, out)
			}
		}
	}
	path := filepath.Join(dir, "taskscope", "config.toml")
	expect([]string{"# " + path, `interval = "1s" # default`, `layout = "tree" # default`})
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("interval = \"2s\"\nascii = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect([]string{`interval = "2s" # file`, "ascii = true # file", "color = true # default"})
	expect([]string{`interval = "3s" # --interval`, "ascii = false # --ascii"}, "--interval", "3s", "--ascii=false")
	t.Setenv("NO_COLOR", "1")
	expect([]string{"color = false # NO_COLOR"})
	if err := os.WriteFile(path, []byte("\nintervals = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := invoke(t, "config")
	if code != exitUsage || !strings.Contains(errs, path+": line 2: unknown key \"intervals\": did you mean interval?") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d: %s", code, errs)
	}
	if code, _, errs := invoke(t, "list", "-o", "pid"); code != exitDone {
		t.Errorf("a batch command looks at the configuration: exit %d: %s", code, errs)
	}
}

func TestSaveView(t *testing.T) {
	dir := t.TempDir()
	a := &app{getenv: func(name string) string {
		return map[string]string{"HOME": dir, "XDG_CONFIG_HOME": "relative/is/ignored"}[name]
	}}
	view := views.View{
		Columns: []string{"pid", "comm"}, Flat: true, Interval: 250 * time.Millisecond,
		TreeSort: model.Order{Field: "pid", Desc: true}, ListSort: model.Order{Field: "rss_bytes", Desc: true},
	}
	path, err := a.saveView(view)
	if err != nil || path != filepath.Join(dir, ".config", "taskscope", "config.toml") {
		t.Fatalf("%s: %v", path, err)
	}
	c, _, err := readConfig(path)
	if err != nil || !reflect.DeepEqual(c.view(), view) {
		t.Errorf("saved %+v, read %+v: %v", view, c.view(), err)
	}
	// A link stays a link, and what a view does not say stays as it is.
	real := filepath.Join(dir, "dotfile")
	if err := os.WriteFile(real, []byte("ascii = true\ncolor = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, path); err != nil {
		t.Fatal(err)
	}
	if _, err := a.saveView(view); err != nil {
		t.Fatal(err)
	}
	if c, _, err = readConfig(real); err != nil || !c.ASCII || c.Color || c.Layout.word != "list" {
		t.Errorf("%+v: %v", c, err)
	}
	if err := os.WriteFile(real, []byte("what is this"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.saveView(view); err == nil || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("a broken file: %v", err)
	}
	a.getenv = func(string) string { return "" }
	if _, err := a.saveView(view); err == nil {
		t.Error("saved nowhere")
	}
}
