package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"taskscope/views"
)

// configLimit is more than any configuration needs.
const configLimit = 64 << 10

// configPath is where the configuration is, "" when there is no place for it.
func (a *app) configPath() string {
	dir := a.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // a relative path is to be ignored
		home := a.getenv("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "taskscope", "config.toml")
}

// readConfig reads the file over the defaults and tells which keys it gives.
// That there is no file is no error, nor that its directory is closed to us: a
// user who was given somebody else's HOME (sudo -u, setpriv) has no file there.
func readConfig(path string) (c config, given []string, err error) {
	c = defaultConfig()
	if path == "" {
		return c, nil, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return c, nil, nil
	case err != nil:
		return c, nil, usage("config %s: %s", path, plainError(err))
	case !info.Mode().IsRegular():
		return c, nil, usage("config %s is no regular file", path)
	case info.Size() > configLimit:
		return c, nil, usage("config %s is larger than %d bytes", path, configLimit)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, nil, usage("config %s: %s", path, plainError(err))
	}
	given, err = parseConfig(text, &c)
	if err != nil {
		return defaultConfig(), nil, usage("config %s: %w", path, err)
	}
	return c, given, nil
}

// parseConfig reads TOML into c. Its errors name every place that is wrong.
func parseConfig(text []byte, c *config) (given []string, err error) {
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(c); err != nil {
		return nil, tomlError(err)
	}
	var keys map[string]any
	if err := toml.Unmarshal(text, &keys); err != nil {
		return nil, tomlError(err)
	}
	for k := range keys {
		given = append(given, k)
	}
	slices.Sort(given)
	return given, nil
}

// tomlError says what is wrong in which line.
func tomlError(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		var parts []string
		for i := range strict.Errors {
			e := &strict.Errors[i]
			row, _ := e.Position()
			parts = append(parts, fmt.Sprintf("line %d: %s", row, unknownKey(strings.Join(e.Key(), "."))))
		}
		return errors.New(strings.Join(parts, "; "))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, _ := decode.Position()
		text := strings.TrimPrefix(decode.Error(), "toml: ")
		if i := strings.Index(text, "UnmarshalText: "); i >= 0 {
			text = text[i+len("UnmarshalText: "):] // what our own types complain of
		}
		if key := strings.Join(decode.Key(), "."); key != "" {
			text = key + ": " + text
		}
		return fmt.Errorf("line %d: %s", row, text)
	}
	return err
}

// unknownKey is a complaint that names the key that may be meant.
func unknownKey(key string) string {
	var names []string
	for i := range configKeys {
		names = append(names, configKeys[i].name)
	}
	if near := nearest(key, names); near != "" {
		return fmt.Sprintf("unknown key %q: did you mean %s?", key, near)
	}
	return fmt.Sprintf("unknown key %q: the keys are %s", key, strings.Join(names, ", "))
}

// saveView writes a view into the configuration file and returns its path.
// What the view does not say stays as it is there.
func (a *app) saveView(v views.View) (string, error) {
	path := a.configPath()
	if path == "" {
		return "", errors.New("neither XDG_CONFIG_HOME nor HOME is set")
	}
	c, _, err := readConfig(path)
	if err != nil {
		return "", fmt.Errorf("not overwritten: %w", err)
	}
	c.take(v)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays a link
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	return path, replaceFile(path, c.text(func(i int) string { return configKeys[i].doc }))
}

// replaceFile writes a file so that it is never seen half-written.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".config-*.toml")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to tell
	}
	return err
}
