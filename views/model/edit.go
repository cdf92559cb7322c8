package model

import (
	"strings"
	"unicode"
)

// Edit is a line of text being typed.
type Edit struct {
	text   []rune
	cursor int
}

// NewEdit starts with a text and the cursor behind it.
func NewEdit(text string) *Edit {
	e := &Edit{}
	e.Set(text)
	return e
}

// Set replaces the text and puts the cursor behind it.
func (e *Edit) Set(text string) {
	e.text = []rune(text)
	e.cursor = len(e.text)
}

// Text is the whole text.
func (e *Edit) Text() string { return string(e.text) }

// Parts are the text before and behind the cursor.
func (e *Edit) Parts() (before, after string) {
	return string(e.text[:e.cursor]), string(e.text[e.cursor:])
}

// Insert types a printable character.
func (e *Edit) Insert(r rune) {
	if !unicode.IsPrint(r) {
		return
	}
	e.text = append(e.text, 0)
	copy(e.text[e.cursor+1:], e.text[e.cursor:])
	e.text[e.cursor] = r
	e.cursor++
}

// Backspace deletes before the cursor; false when there is nothing.
func (e *Edit) Backspace() bool {
	if e.cursor == 0 {
		return false
	}
	e.text = append(e.text[:e.cursor-1], e.text[e.cursor:]...)
	e.cursor--
	return true
}

// Delete deletes behind the cursor.
func (e *Edit) Delete() {
	if e.cursor < len(e.text) {
		e.text = append(e.text[:e.cursor], e.text[e.cursor+1:]...)
	}
}

// Move moves the cursor by n characters.
func (e *Edit) Move(n int) { e.cursor = min(max(e.cursor+n, 0), len(e.text)) }

// Home and End move to the ends.
func (e *Edit) Home() { e.cursor = 0 }

// End moves behind the text.
func (e *Edit) End() { e.cursor = len(e.text) }

// Clear deletes everything before the cursor.
func (e *Edit) Clear() {
	e.text = append([]rune(nil), e.text[e.cursor:]...)
	e.cursor = 0
}

// Word deletes the word before the cursor.
func (e *Edit) Word() {
	i := e.cursor
	for i > 0 && e.text[i-1] == ' ' {
		i--
	}
	for i > 0 && e.text[i-1] != ' ' {
		i--
	}
	e.text = append(e.text[:i], e.text[e.cursor:]...)
	e.cursor = i
}

// Complete extends the last word by what all candidates have in common and
// returns the candidates that fit it.
func (e *Edit) Complete(candidates []string) []string {
	before, after := e.Parts()
	start := strings.LastIndexByte(before, ' ') + 1
	word := before[start:]
	var fit []string
	for _, c := range candidates {
		if strings.HasPrefix(c, word) {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	common := fit[0]
	for _, c := range fit[1:] {
		for !strings.HasPrefix(c, common) {
			common = common[:len(common)-1]
		}
	}
	if len(fit) == 1 {
		common += " "
	}
	e.text = []rune(before[:start] + common + after)
	e.cursor = len([]rune(before[:start] + common))
	return fit
}
