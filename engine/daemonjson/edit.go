package daemonjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// set puts a value at a path of keys and returns the new text. Objects on the way are made.
func set(text []byte, at int, keys []string, value any) ([]byte, error) {
	o := parse(text, at)
	i := o.find(keys[0])
	if len(keys) > 1 && i >= 0 {
		start := o.members[i].valueStart
		if text[start] != '{' {
			return nil, fmt.Errorf("%q is no object", keys[0])
		}
		return set(text, start, keys[1:], value)
	}
	for _, key := range slices.Backward(keys[1:]) {
		value = map[string]any{key: value}
	}
	if i >= 0 {
		m := o.members[i]
		if same(text[m.valueStart:m.valueEnd], value) {
			return text, nil
		}
		raw, err := encode(value, indentOf(text, o, at))
		if err != nil {
			return nil, err
		}
		return splice(text, m.valueStart, m.valueEnd, raw), nil
	}
	return insert(text, o, at, keys[0], value)
}

// insert adds a member behind the last one and in its style.
func insert(text []byte, o object, at int, key string, value any) ([]byte, error) {
	style := indentOf(text, o, at)
	name, err := encode(key, indent{})
	if err != nil {
		return nil, err
	}
	raw, err := encode(value, style)
	if err != nil {
		return nil, err
	}
	if len(o.members) == 0 {
		inside := style.line() + string(name) + ": " + string(raw) + style.end()
		return splice(text, o.open+1, o.close, []byte(inside)), nil
	}
	last := o.members[len(o.members)-1]
	added := slices.Concat([]byte(","), text[beforeKey(text, last):last.keyStart],
		name, text[last.keyEnd:last.valueStart], raw)
	return splice(text, last.valueEnd, last.valueEnd, added), nil
}

// remove takes the member at a path of keys out, with the comma that parts it from a
// neighbour. What is not there needs no removal.
func remove(text []byte, at int, keys []string) []byte {
	o := parse(text, at)
	i := o.find(keys[0])
	switch {
	case i < 0:
		return text
	case len(keys) > 1:
		if start := o.members[i].valueStart; text[start] == '{' {
			return remove(text, start, keys[1:])
		}
		return text
	case len(o.members) == 1:
		return splice(text, o.open+1, o.close, nil)
	case i+1 < len(o.members):
		return splice(text, o.members[i].keyStart, o.members[i+1].keyStart, nil)
	}
	return splice(text, o.members[i-1].valueEnd, o.members[i].valueEnd, nil)
}

func splice(text []byte, from, to int, with []byte) []byte {
	return slices.Concat(text[:from], with, text[to:])
}

// beforeKey is where the space before a member's key begins, behind the comma or brace.
func beforeKey(text []byte, m member) int {
	at := begin(text, m.space)
	if text[at] == ',' {
		return at + 1
	}
	return m.space
}

// indent is how the lines of an object are indented. All of it is on one line without newline.
type indent struct {
	newline string // "\n" or "\r\n", or ""
	outer   string // before the closing brace
	step    string // more than that, before a key
}

func (i indent) line() string { return i.newline + i.outer + i.step }
func (i indent) end() string  { return i.newline + i.outer }

// indentOf looks at how an object is written. An empty one follows the object around it,
// and an empty file gets two blanks.
func indentOf(text []byte, o object, at int) indent {
	newline := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		newline = "\r\n"
	}
	outer := lineIndent(text, at)
	if len(o.members) > 0 {
		first := o.members[0]
		space := text[first.space:first.keyStart]
		nl := bytes.LastIndexByte(space, '\n')
		if nl < 0 {
			return indent{}
		}
		step := bytes.TrimPrefix(space[nl+1:], []byte(outer))
		return indent{newline: newline, outer: outer, step: string(step)}
	}
	step := "  "
	if top := begin(text, 0); top != at {
		around := indentOf(text, parse(text, top), top)
		if around.newline == "" {
			return indent{}
		}
		step = around.step
	}
	return indent{newline: newline, outer: outer, step: step}
}

// lineIndent is the space at the beginning of the line that at is on.
func lineIndent(text []byte, at int) string {
	from := bytes.LastIndexByte(text[:at], '\n') + 1
	to := from
	for to < at && (text[to] == ' ' || text[to] == '\t') {
		to++
	}
	return string(text[from:to])
}

// encode writes a value as JSON, in the lines of the object that it goes into.
func encode(value any, style indent) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if style.newline != "" {
		enc.SetIndent(style.outer+style.step, style.step)
	}
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	raw := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if style.newline == "\r\n" {
		raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	}
	return raw, nil
}

// same tells whether a raw value already is what is to be written.
func same(raw []byte, value any) bool {
	want, err := encode(value, indent{})
	if err != nil {
		return false
	}
	var b bytes.Buffer
	return json.Compact(&b, raw) == nil && bytes.Equal(b.Bytes(), want)
}
