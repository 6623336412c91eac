package migrate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"sync"
	"time"

	"davit/engine/hostfs"
	"davit/migrate/preflight"
)

// Reporter is told how far a migration is. Its methods are called by several goroutines.
type Reporter interface {
	Start(bytes, files int64) // a part of the work begins, of about that size
	Item(name string)         // what is worked on
	Add(bytes int64)          // so much more of it is done
	Say(line string)          // something to be read now
	Down(since time.Time)     // the containers are down since then; zero: no more
}

// Warm passes go on until another one would not make the last pass much shorter.
const (
	maxPasses    = 8
	smallDelta   = 32 << 20
	worthAnother = 0.7 // of the bytes of the pass before
)

// trees are the two roots of one store.
type trees struct {
	store    preflight.Store
	src, dst *hostfs.Root
	pass     *hostfs.CopyPass // the last one
	journal  *journal
	report   Reporter
	now      func() time.Time
}

func openTrees(s preflight.Store, j *journal, r Reporter) (*trees, error) {
	src, err := hostfs.OpenRoot(s.From)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.To, 0o711); err != nil {
		src.Close()
		return nil, fmt.Errorf("make the new root: %w", err)
	}
	dst, err := hostfs.OpenRoot(s.To)
	if err != nil {
		src.Close()
		return nil, err
	}
	return &trees{store: s, src: src, dst: dst, journal: j, report: r, now: j.now}, nil
}

func (t *trees) close() {
	_ = t.src.Close()
	_ = t.dst.Close()
}

// skip leaves out what belongs to a place and not to the data: the file system's own folder, the engine's folder for
// temporary files, which it empties at each start, and the node of the disk that its quotas are on.
func skip(dir, name string, _ *hostfs.Stat) bool {
	return dir == "" && (name == "tmp" || name == "tmp-old" || name == "lost+found") ||
		dir == "overlay2" && name == "backingFsBlockDev"
}

// warm copies until the rest is small, or does not get smaller. What cannot be read meanwhile is read at the end.
func (t *trees) warm(ctx context.Context, file string, limit int64) error {
	t.loadPass(file)
	options := hostfs.CopyOptions{Problem: func(string, error) {}}
	if limit > 0 {
		options.Limit = (&throttle{rate: limit}).wait
	}
	var last int64
	for n := 1; n <= maxPasses; n++ {
		p, err := t.copy(ctx, options, false, fmt.Sprintf("copy of %s, pass %d", t.store.Name, n))
		if err != nil {
			return err
		}
		if err := t.keepPass(file); err != nil {
			return err
		}
		delta := p.Bytes + p.Shared
		t.report.Say(fmt.Sprintf("%s: pass %d: %s in %s", t.store.Name, n, amount(p), p.Time.Round(10*time.Millisecond)))
		if n > 1 && (delta <= smallDelta || float64(delta) > worthAnother*float64(last)) || n == 1 && delta == 0 {
			break
		}
		last = delta
	}
	return nil
}

// final copies the rest from a root that nobody uses. Whatever cannot be read or kept is an error.
func (t *trees) final(ctx context.Context) error {
	var mu sync.Mutex
	var first error
	options := hostfs.CopyOptions{Problem: func(path string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = fmt.Errorf("copy %s/%s: %w", t.store.From, path, err)
		}
	}}
	p, err := t.copy(ctx, options, true, "last changes of "+t.store.Name)
	if err != nil {
		return err
	}
	if first != nil {
		return first
	}
	if len(t.pass.Mounts) > 0 {
		return fmt.Errorf("copy %s: something is mounted at %q", t.store.From, t.pass.Mounts[0])
	}
	t.report.Say(fmt.Sprintf("%s: last changes: %s in %s", t.store.Name, amount(p), p.Time.Round(10*time.Millisecond)))
	return t.dst.Syncfs()
}

// copy is one pass, with its entry in the report.
func (t *trees) copy(ctx context.Context, o hostfs.CopyOptions, final bool, what string) (Pass, error) {
	counts := &hostfs.CopyCounts{}
	o.Before, o.Skip, o.Delete, o.Counts = t.pass, skip, true, counts
	o.NoReflink = t.journal.state.Plan.Options.Method == MethodCopy
	if t.pass == nil {
		t.report.Start(t.store.Bytes, t.store.Files)
	} else {
		t.report.Start(0, 0)
	}
	stop := t.watch(what, counts)
	began := t.now()
	pass, err := hostfs.CopyTree(ctx, t.src, t.dst, o)
	stop()
	if err != nil {
		return Pass{}, cause(ctx, err)
	}
	t.pass = pass
	p := Pass{
		Store: t.store.Name, Final: final, Entries: counts.Entries.Load(), Copied: counts.Copied.Load(),
		Deleted: counts.Deleted.Load(), Bytes: counts.Bytes.Load(), Shared: counts.Shared.Load(), Time: t.now().Sub(began),
	}
	r := &t.journal.state.Report
	r.Passes = append(r.Passes, p)
	r.Bytes += p.Bytes + p.Shared
	r.Shared += p.Shared
	if final {
		r.Files += p.Entries
	}
	return p, nil
}

// watchEvery is how often counts go to the reporter.
const watchEvery = 200 * time.Millisecond

// watch passes counts on until it is stopped.
func (t *trees) watch(what string, counts *hostfs.CopyCounts) (stop func()) {
	t.report.Item(what)
	var told int64
	tell := func() {
		now := counts.Bytes.Load() + counts.Shared.Load()
		t.report.Add(now - told)
		told = now
		t.report.Item(fmt.Sprintf("%s, %d files", what, counts.Entries.Load()))
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell()
			case <-end:
				tell()
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

func amount(p Pass) string {
	text := fmt.Sprintf("%d of %d files", p.Copied, p.Entries)
	if p.Shared > 0 {
		text += ", " + amountOf(p.Shared) + " shared"
	}
	return text + ", " + amountOf(p.Bytes) + " written"
}

// amountOf is a rough size in words.
func amountOf(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// VerifyError means that old and new root differ.
type VerifyError struct {
	Store string
	Count int64
	First []string
}

func (e *VerifyError) Error() string {
	return fmt.Sprintf("verify %s: %d differences, the first: %s", e.Store, e.Count, e.First[0])
}

// shownDifferences is how many differences are kept for people.
const shownDifferences = 20

// verify compares the roots.
func (t *trees) verify(ctx context.Context, how, seed string) error {
	var mu sync.Mutex
	bad := &VerifyError{Store: t.store.Name}
	note := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		if len(bad.First) < shownDifferences {
			bad.First = append(bad.First, line)
		}
	}
	var unread error
	t.report.Start(0, 0)
	t.report.Item("comparison of " + t.store.Name)
	began := t.now()
	c, err := hostfs.CompareTree(ctx, t.src, t.dst, hostfs.CompareOptions{
		Skip: skip, Content: content(how, seed),
		Limit:  func(ctx context.Context, n int) error { t.report.Add(int64(n)); return nil },
		Differ: func(path, what string) { note(fmt.Sprintf("%q %s", path, what)) },
		Problem: func(path string, err error) {
			mu.Lock()
			defer mu.Unlock()
			unread = errors.Join(unread, fmt.Errorf("verify %s: %q: %w", t.store.Name, path, err))
		},
	})
	r := &t.journal.state.Report
	r.VerifyTime += t.now().Sub(began)
	r.Compared += c.Entries
	r.ReadBack += c.Bytes
	switch {
	case err != nil:
		return cause(ctx, err)
	case unread != nil:
		return unread
	case c.Differences > 0:
		bad.Count = c.Differences
		return bad
	}
	return nil
}

// A sample has all files up to smallFile and one in sampleOf of the others, other ones with each migration.
const (
	smallFile = 4 << 10
	sampleOf  = 16
)

// content chooses the files of which the content is compared.
func content(how, seed string) func(*hostfs.Entry) bool {
	switch how {
	case VerifyFull:
		return func(*hostfs.Entry) bool { return true }
	case VerifySample:
		return func(e *hostfs.Entry) bool {
			if e.Size <= smallFile {
				return true
			}
			h := fnv.New32a()
			_, _ = h.Write([]byte(seed))
			_, _ = h.Write([]byte(e.Path()))
			return h.Sum32()%sampleOf == 0
		}
	}
	return nil
}

// cause is the reason for which a context ended, in the place of that it did.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// keepPass keeps the last pass for a process that goes on after this one, if there is a file for it.
func (t *trees) keepPass(file string) error {
	if err := t.dst.Syncfs(); err != nil || file == "" {
		return err
	}
	return t.pass.Save(file, t.src, t.dst)
}

// loadPass takes up the pass that was kept, if it is about these trees; without one everything is copied.
func (t *trees) loadPass(file string) {
	if p, err := hostfs.LoadCopyPass(file, t.src, t.dst); err == nil {
		t.pass = p
	}
}
