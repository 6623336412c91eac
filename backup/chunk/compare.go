//go:build linux

package chunk

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// maxDifferences bounds the list of a comparison.
const maxDifferences = 1000

// Compare reads a tree item and the folder that it was restored to, and tells what differs: types, owners, modes, times,
// links, devices, extended attributes, every byte of every file, holes, and what only the folder has. Every chunk is
// decoded and must have its id. Nobody may change the folder meanwhile. A damaged blob ends it with a
// *repo.DamagedError, on cancel with the context's error.
func Compare(ctx context.Context, r Reader, item ocispec.Descriptor, dst *hostfs.Root, o CompareOptions) (*CompareResult, error) {
	dec, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	if o.Workers == 0 {
		o.Workers = 2 * runtime.GOMAXPROCS(0)
	}
	c := &comparison{
		dst: dst, progress: o.Progress,
		stream: streamReader{r, dec, selection{path: o.Path}},
	}
	if err := c.stream.selection.resolve(ctx, r, item); err != nil {
		return nil, err
	}
	if err := c.content(ctx, item, o.Workers); err != nil {
		return nil, err
	}
	if err := c.extra(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(c.result.Differences, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return &c.result, nil
}

// comparison is one run of Compare.
type comparison struct {
	stream   streamReader
	dst      *hostfs.Root
	progress Progress

	mu     sync.Mutex
	result CompareResult
	big    []*bigTarget
}

func (c *comparison) content(ctx context.Context, item ocispec.Descriptor, workers int) error {
	defer c.closeBig()
	return c.stream.share(ctx, item, workers, func() contentWorker {
		return &compareWorker{
			chunkReader: chunkReader{reader: c.stream.reader, decoder: c.stream.decoder},
			folder:      openFolder{root: c.dst},
			c:           c,
		}
	})
}

func (c *comparison) closeBig() {
	for _, t := range c.big {
		_ = unix.Close(t.fd) // only read
	}
}

func (c *comparison) differ(path, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.result.Differences) >= maxDifferences {
		c.result.More++
		return
	}
	c.result.Differences = append(c.result.Differences, Difference{Path: path, What: fmt.Sprintf(format, args...)})
}

func (c *comparison) count(chunks, entries, files, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Chunks += chunks
	c.result.Entries += entries
	c.result.Files += files
	c.result.Bytes += bytes
	if c.progress != nil {
		c.progress.Done(entries, bytes)
	}
}

// extra finds that the folder has more entries than the snapshot: those that both have were compared one by one.
func (c *comparison) extra(ctx context.Context) error {
	var there int64
	if c.stream.selection.path != "" {
		there-- // the folder itself is not of the item
	}
	err := c.dst.Walk(ctx, hostfs.WalkOptions{}, func(*hostfs.Entry) error {
		there++
		return nil
	})
	if err != nil {
		return err
	}
	missing := int64(0)
	for _, d := range c.result.Differences {
		if d.What == missingEntry {
			missing++
		}
	}
	if more := there + missing - c.result.Entries; more > 0 && c.result.More == 0 {
		c.differ("", "holds %d more than the snapshot", more)
	}
	return nil
}

// missingEntry is said of what is not there at all.
const missingEntry = "is missing"

// readWhole is chunkReader.read with the id checked, also where nobody could have put in another content.
func (w *compareWorker) readWhole(ctx context.Context, blob repo.Blob) ([]byte, error) {
	plain, err := w.read(ctx, blob)
	if err == nil && !w.reader.Encrypted() && w.reader.ContentID(plain) != blob.ID {
		return nil, &repo.DamagedError{Digest: blob.Digest, Reason: "content is not what its id says"}
	}
	return plain, err
}
