package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
)

func main() {
	seed := flag.Uint64("seed", 1, "seed of everything random")
	files := flag.Int("files", 80000, "number of entries that are not folders")
	bytes := flag.Int64("bytes", 2_000_000_000, "sum of the file sizes")
	change := flag.Float64("change", 0, "change this part of the files of an existing tree")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: gentree [flags] FOLDER")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *seed, *files, *bytes, *change); err != nil {
		fmt.Fprintln(os.Stderr, "gentree:", err)
		os.Exit(1)
	}
}

func run(dir string, seed uint64, files int, bytes int64, change float64) error {
	rng := rand.New(rand.NewPCG(seed, 0x6461766974))
	src, err := newSource(rng)
	if err != nil {
		return err
	}
	if change > 0 {
		n, written, err := changeTree(dir, rng, src, change)
		fmt.Printf("changed %d files, wrote %d bytes\n", n, written)
		return err
	}
	return makeTree(dir, rng, src, files, bytes)
}
