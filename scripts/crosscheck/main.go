package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: crosscheck PACKAGE GOOS/GOARCH...")
		os.Exit(2)
	}
	var errs []error
	for _, target := range os.Args[2:] {
		goos, goarch, _ := strings.Cut(target, "/")
		if err := check(os.Args[1], goos, goarch); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", target, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// source is a package as go list tells it.
type source struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string // how this package's imports are really called
	Module          *struct{ Main bool }
}

// check checks a package and all that it needs for one system. What is wrong in this module is an error.
func check(pkg, goos, goarch string) error {
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap,Module", pkg)
	list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	c := checker{files: token.NewFileSet(), sizes: types.SizesFor("gc", goarch), done: map[string]*types.Package{"unsafe": types.Unsafe}}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var s source
		if err := decoder.Decode(&s); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read the list of packages: %w", err)
		}
		if err := c.check(&s); err != nil {
			return err
		}
	}
	return errors.Join(c.errs...)
}

// checker has checked the packages of one system, those before that need them.
type checker struct {
	files *token.FileSet
	sizes types.Sizes
	done  map[string]*types.Package
	errs  []error
}

func (c *checker) check(s *source) error {
	if s.ImportPath == "unsafe" {
		return nil
	}
	var parsed []*ast.File
	for _, name := range s.GoFiles {
		f, err := parser.ParseFile(c.files, filepath.Join(s.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed = append(parsed, f)
	}
	own := s.Module != nil && s.Module.Main
	config := types.Config{
		Importer: importing{c, s.ImportMap}, Sizes: c.sizes, IgnoreFuncBodies: !own, FakeImportC: true,
		Error: func(err error) {
			if own {
				c.errs = append(c.errs, err)
			}
		},
	}
	pkg, _ := config.Check(s.ImportPath, c.files, parsed, nil) // Error was told
	c.done[s.ImportPath] = pkg
	return nil
}

// importing finds what one package imports among those that were checked before.
type importing struct {
	c     *checker
	names map[string]string
}

func (i importing) Import(path string) (*types.Package, error) {
	if real := i.names[path]; real != "" {
		path = real
	}
	if pkg := i.c.done[path]; pkg != nil {
		return pkg, nil
	}
	return nil, fmt.Errorf("no package %s", path)
}
