package daemonjson

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// SyntaxError is a place in a file that cannot be understood. Line and column count
// from 1, the column in characters.
type SyntaxError struct {
	Path         string
	Line, Column int
	Reason       string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("read %s: line %d, column %d: %s", e.Path, e.Line, e.Column, e.Reason)
}

// ErrChanged means that the file is no longer what was read.
var ErrChanged = errors.New("somebody else changed it meanwhile")

// ErrManaged means that another program makes the file, and would undo a change of it.
var ErrManaged = errors.New("another program makes this file")

// errorAt places an error at an offset of data.
func errorAt(path string, data []byte, offset int, reason string) *SyntaxError {
	before := data[:min(max(offset, 0), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	begin := bytes.LastIndexByte(before, '\n') + 1
	return &SyntaxError{Path: path, Line: line, Column: utf8.RuneCount(before[begin:]) + 1, Reason: reason}
}
