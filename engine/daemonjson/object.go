package daemonjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// object is where the members of a JSON object are in a text.
type object struct {
	open, close int // of the braces
	members     []member
}

// member is one "key": value. The space before its key belongs to it.
type member struct {
	key        string
	space      int // where the member before ended, or the brace
	keyStart   int
	keyEnd     int
	valueStart int
	valueEnd   int
}

// find returns the member with a key, or -1.
func (o *object) find(key string) int {
	for i := range o.members {
		if o.members[i].key == key {
			return i
		}
	}
	return -1
}

// check says what is wrong with a text that should be one JSON object.
func check(path string, text []byte) error {
	var any json.RawMessage
	err := json.Unmarshal(text, &any)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at := int(syntax.Offset) - 1
		if at+1 >= len(text) && !json.Valid(text) && syntax.Error() == "unexpected end of JSON input" {
			at = len(text)
		}
		return errorAt(path, text, at, syntax.Error()+comment(text, at))
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if at := begin(text, 0); text[at] != '{' {
		return errorAt(path, text, at, "it is no object: {…} is expected")
	}
	return twice(path, text, begin(text, 0))
}

// comment explains the most usual mistake.
func comment(text []byte, at int) string {
	if at >= 0 && at < len(text) && (text[at] == '/' || text[at] == '#') {
		return " (JSON has no comments)"
	}
	return ""
}

// twice finds a key that an object, or an object in it, has two times: readers differ in
// which one they take.
func twice(path string, text []byte, at int) error {
	o := parse(text, at)
	seen := map[string]bool{}
	for _, m := range o.members {
		if seen[m.key] {
			return errorAt(path, text, m.keyStart, fmt.Sprintf("the key %q is there twice", m.key))
		}
		seen[m.key] = true
		if text[m.valueStart] == '{' {
			if err := twice(path, text, m.valueStart); err != nil {
				return err
			}
		}
	}
	return nil
}

// parse finds the members of the object whose brace is at text[at]. The text is valid JSON
// from there on.
func parse(text []byte, at int) object {
	dec := json.NewDecoder(bytes.NewReader(text[at:]))
	_, _ = dec.Token()
	o := object{open: at}
	end := at + 1
	for dec.More() {
		m := member{space: end}
		key, _ := dec.Token()
		m.key, _ = key.(string)
		m.keyEnd = at + int(dec.InputOffset())
		m.keyStart = end + bytes.IndexByte(text[end:], '"')
		var value json.RawMessage
		_ = dec.Decode(&value)
		m.valueEnd = at + int(dec.InputOffset())
		m.valueStart = m.valueEnd - len(value)
		end = m.valueEnd
		o.members = append(o.members, m)
	}
	_, _ = dec.Token()
	o.close = at + int(dec.InputOffset()) - 1
	return o
}

// begin is the first place from at on that is no JSON space.
func begin(text []byte, at int) int {
	for at < len(text) && bytes.IndexByte([]byte(" \t\r\n"), text[at]) >= 0 {
		at++
	}
	return at
}
