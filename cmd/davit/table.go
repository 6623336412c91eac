package main

import (
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// table collects rows and writes them with aligned columns. Cells are made visible; columns whose title begins with
// ">" are aligned to the right.
type table struct {
	right []bool
	rows  [][]string
}

func newTable(titles ...string) *table {
	t := &table{right: make([]bool, len(titles))}
	for i, title := range titles {
		titles[i], t.right[i] = strings.CutPrefix(title, ">")
	}
	t.rows = append(t.rows, titles)
	return t
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = visible(c)
	}
	t.rows = append(t.rows, cells)
}

// write prints the table; no line ends in blanks.
func (t *table) write(w io.Writer) error {
	widths := make([]int, len(t.right))
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], uniseg.StringWidth(c))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		b.WriteString(strings.TrimRight(t.line(row, widths), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) line(row []string, widths []int) string {
	cells := make([]string, len(row))
	for i, c := range row {
		pad := strings.Repeat(" ", widths[i]-uniseg.StringWidth(c))
		if t.right[i] {
			cells[i] = pad + c
		} else {
			cells[i] = c + pad
		}
	}
	return strings.Join(cells, "  ")
}
