package dockercmd

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// screen is what a command shows on a terminal.
type screen int

const (
	listing screen = iota // names, labels, documents: no control characters
	drawing               // the same, drawn by the library with control characters of its own
	passing               // what a container says, or the progress of a transfer: as it comes
)

// screenOf returns what a command shows.
func screenOf(c *cobra.Command) screen {
	switch c.Name() {
	case "run", "exec", "attach", "start", "logs", "pull", "push", "load", "import", "export", "save", "cp", "create", "login", "commit":
		return passing
	case "images", "stats":
		return drawing
	case "ls":
		if c.HasParent() && c.Parent().Name() == "image" {
			return drawing
		}
	}
	return listing
}

// visibleWriter makes control characters visible, except those that end lines and separate columns.
type visibleWriter struct {
	w       io.Writer
	visible func(string) string
	partial []byte // the beginning of a character
}

func (v *visibleWriter) Write(p []byte) (int, error) {
	text := append(v.partial, p...)
	whole := len(text) - unfinished(text)
	v.partial = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(v.w, screened(string(text[:whole]), v.visible)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unfinished returns the number of bytes at the end that may be the beginning of a character.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if b := text[len(text)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(text[len(text)-n:]) {
				return n
			}
			break
		}
	}
	return 0
}

// screened makes each character visible that is neither plain text nor a newline, a tab or a backslash.
func screened(text string, visible func(string) string) string {
	var b strings.Builder
	for len(text) > 0 {
		i := strings.IndexAny(text, "\n\t\\")
		if i < 0 {
			i = len(text)
		}
		b.WriteString(visible(text[:i]))
		if i < len(text) {
			b.WriteByte(text[i])
			i++
		}
		text = text[i:]
	}
	return b.String()
}
