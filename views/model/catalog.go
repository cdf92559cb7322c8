package model

import (
	"fmt"
	"strings"
)

// Catalog lists the known loads.
type Catalog struct{ Loads []LoadInfo }

var catalogColumns = []Column{
	{ID: "name", Title: "LOAD", Width: 14, Left: true},
	{ID: "title", Title: "WHAT IT DOES", Width: 20, Left: true, Flex: true},
}

// Columns, Len, Key, Find and Row make it a List.
func (c *Catalog) Columns() []Column { return catalogColumns }

// Len is the number of loads.
func (c *Catalog) Len() int { return len(c.Loads) }

// Key identifies a load by name.
func (c *Catalog) Key(i int) Key { return Key{Name: c.Loads[i].Name} }

// Find is the position of a load.
func (c *Catalog) Find(k Key) int {
	for i := range c.Loads {
		if c.Loads[i].Name == k.Name {
			return i
		}
	}
	return -1
}

// Row makes the cells of one load.
func (c *Catalog) Row(i int) []Line {
	return []Line{Plain(Sanitize(c.Loads[i].Name), Strong), Plain(Sanitize(c.Loads[i].Title), Normal)}
}

// Describe is the text about one load.
func (c *Catalog) Describe(g *Glyphs, i, width int) []Line {
	if i < 0 || i >= len(c.Loads) {
		return nil
	}
	l := c.Loads[i]
	lines := []Line{Plain(Sanitize(l.Name)+": "+Sanitize(l.Title), Strong), nil}
	paragraph := func(title string, texts []string, mark string) {
		if len(texts) == 0 {
			return
		}
		lines = append(lines, section(title))
		for _, t := range texts {
			for k, w := range Wrap(Sanitize(t), width-4) {
				if k > 0 {
					mark = strings.Repeat(" ", len([]rune(mark)))
				}
				lines = append(lines, Line{{Text: "  " + mark, Style: Muted}, {Text: w}})
			}
		}
		lines = append(lines, nil)
	}
	if l.Teaches != "" {
		paragraph("What it shows", []string{l.Teaches}, "")
	}
	if len(l.Params) > 0 {
		lines = append(lines, section("Parameters"))
		for _, p := range l.Params {
			lines = append(lines, Line{{Text: "  " + Sanitize(p.Name), Width: 16}, {Text: Sanitize(p.Default), Width: 12, Style: Strong}, {Text: " " + Sanitize(p.Range), Style: Muted}})
			for _, w := range Wrap(Sanitize(p.Doc), width-6) {
				if w != "" {
					lines = append(lines, Plain("    "+w, Muted))
				}
			}
		}
		lines = append(lines, nil)
	}
	for _, p := range []struct {
		title string
		texts []string
	}{{"Promises", l.Promises}, {"Needs", l.Needs}} {
		for _, t := range p.texts {
			if len(lines) == 0 || lines[len(lines)-1] == nil {
				lines = append(lines, section(p.title))
			}
			for k, w := range Wrap(Sanitize(t), width-6) {
				mark := "  "
				if k == 0 {
					mark = g.Dash + " "
				}
				lines = append(lines, Line{{Text: "  " + mark, Style: Muted}, {Text: w}})
			}
		}
		if len(p.texts) > 0 {
			lines = append(lines, nil)
		}
	}
	return lines
}

// Defaults are the parameters of a load as they would be typed.
func (l LoadInfo) Defaults() string {
	var parts []string
	for _, p := range l.Params {
		if p.Default != "" {
			parts = append(parts, fmt.Sprintf("%s=%s", p.Name, p.Default))
		}
	}
	return strings.Join(parts, " ")
}
