package agent

import (
	"errors"
	"fmt"
	"strings"

	"davit/engine/hostfs"
)

// errNoTree ends the walk of an agent that does not send one.
var errNoTree = errors.New("what the helper container sends is no file tree")

// maxDepth bounds the folders that are open at a time.
const maxDepth = 4096

// plainName says whether a name is a single component, as every name in a folder is.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 255 && !strings.ContainsAny(name, "/\x00")
}

// order checks that entries come as a walk gives them: the root, then depth first, the names of a folder in
// ascending order, and nothing below what is no folder.
type order struct {
	begun bool
	open  []openFolder
}

type openFolder struct{ path, last string }

func (o *order) check(e *hostfs.Entry) error {
	if !o.begun {
		if e.Dir != "" || e.Name != "" || !e.IsDir() {
			return fmt.Errorf("%w: it does not begin with its root", errNoTree)
		}
		o.begun, o.open = true, []openFolder{{}}
		return nil
	}
	if !plainName(e.Name) {
		return fmt.Errorf("%w: a file is named %.80q", errNoTree, e.Name)
	}
	for len(o.open) > 0 && o.open[len(o.open)-1].path != e.Dir {
		o.open = o.open[:len(o.open)-1]
	}
	if len(o.open) == 0 {
		return fmt.Errorf("%w: %.80q comes where its folder is not", errNoTree, e.Path())
	}
	folder := &o.open[len(o.open)-1]
	if e.Name <= folder.last {
		return fmt.Errorf("%w: %.80q comes out of order", errNoTree, e.Path())
	}
	folder.last = e.Name
	if !e.IsDir() {
		return nil
	}
	if len(o.open) == maxDepth {
		return fmt.Errorf("%w: it is more than %d folders deep", errNoTree, maxDepth)
	}
	o.open = append(o.open, openFolder{path: e.Path()})
	return nil
}
