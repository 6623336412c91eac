package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"davit/backup/agent"
	"davit/backup/chunk"
	"davit/engine/hostfs"
)

// tree is an item that holds files while it is saved.
type tree struct {
	item   *PlannedItem
	files  chunk.Tree
	root   *hostfs.Root // below which files are, unless they are far
	cache  *chunk.Cache
	helper *agent.Mounted                // holds a volume mounted, or nil
	ends   []func(context.Context) error // what else belongs to this tree alone
	skip   *excludePatterns

	snapshot   *fsSnapshot   // of the subvolume it lies in, or nil
	inSnapshot string        // where it is in there
	clones     *chunk.Clones // for its big files, or nil
	via        Via
	nested     string // a subvolume inside, which a snapshot leaves out
	device     uint64

	result     *chunk.Result
	pending    *chunk.Pending
	passes     int
	read       int64 // bytes read in all passes
	stored     chunk.Stats
	silent     []chunk.Problem // found by any pass: the next one does not find them again
	unsettled  string          // why the result is not of one moment, though it should be
	mu         sync.Mutex
	notEntered map[string]string // mounts below the root that are left out, with the reason
}

// openTree opens the folder of an item, mounting it first where that is needed.
func (r *createRun) openTree(ctx context.Context, it *PlannedItem) (*tree, error) {
	switch {
	case it.far:
		return r.openFarTree(ctx, it)
	case it.copied:
		return r.openCopiedTree(ctx, it)
	}
	t := &tree{item: it, skip: newExcludePatterns(slices.Concat(r.plan.Options.Selection.Exclude, it.Exclude)), notEntered: map[string]string{}}
	source := it.Source
	if it.helper {
		helper, err := r.env.mount(ctx, it.Name)
		if err != nil {
			return nil, err
		}
		t.helper, source = helper, helper.Path
	}
	root, err := hostfs.OpenRoot(source)
	if err != nil {
		return nil, errors.Join(err, t.close(ctx))
	}
	t.root, t.files = root, chunk.Local(root)
	st, err := root.Stat()
	if err != nil {
		return nil, errors.Join(err, t.close(ctx))
	}
	t.device = st.Dev
	t.cache = chunk.OpenCache(r.cachePath(it), r.env.Repo.Config().ID+" "+it.Ref())
	return t, nil
}

func (t *tree) close(ctx context.Context) error {
	var errs []error
	if t.root != nil {
		errs = append(errs, t.root.Close())
	}
	for _, end := range t.ends {
		errs = append(errs, end(context.WithoutCancel(ctx)))
	}
	if t.helper != nil {
		errs = append(errs, t.helper.Close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// release gives up what was read and not stored.
func (t *tree) release() {
	if t.pending != nil {
		t.pending.Close()
	}
}

// cachePath is where the cache of an item lies; "" keeps none.
func (r *createRun) cachePath(it *PlannedItem) string {
	if r.env.CacheDir == "" {
		return ""
	}
	what := it.Ref()
	if it.far || it.copied {
		what += " on " + r.plan.Engine.Endpoint
	}
	sum := sha256.Sum256([]byte(what))
	return filepath.Join(r.cacheFolder(), hex.EncodeToString(sum[:16])+".cache")
}

func (r *createRun) cacheFolder() string {
	return filepath.Join(r.env.CacheDir, "trees", r.env.Repo.Config().ID)
}

// options is how a pass over the tree walks it.
func (t *tree) options(warm bool) chunk.SaveOptions {
	return chunk.SaveOptions{Skip: t.skips, EnterMount: t.enters, Warm: warm, Clones: t.clones}
}

// firstOptions is options with what the run wants read although it seems not to have changed. Once is enough,
// and not while containers are held.
func (t *tree) firstOptions(warm bool, o *CreateOptions) chunk.SaveOptions {
	first := t.options(warm)
	if t.passes == 0 {
		first.ForceRead, first.Reread = o.ForceRead, o.Reread
	}
	return first
}

func (t *tree) skips(dir, name string, st *hostfs.Stat) bool {
	if t.item.file != "" && dir == "" && name != t.item.file {
		return true
	}
	if t.skip.match(dir, name) || strings.HasPrefix(name, snapshotPrefix) && st.IsDir() {
		return true
	}
	if st.IsDir() && (st.Dev != t.device && t.snapshot == nil || st.Ino == hostfs.NestedInode) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.nested = filepath.Join(dir, name)
	}
	return false
}

// nestedSubvolume is a folder below the root that is a subvolume of its own, as far as passes saw one.
func (t *tree) nestedSubvolume() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nested
}

// enters says whether to go on below a mount: on local disks. What a network, a process or the kernel
// shows there is somebody else's, and may hang the run.
func (t *tree) enters(path string, _ *hostfs.Stat) bool {
	reason := whyNotEntered(filepath.Join(t.root.Path(), path))
	if reason != "" {
		t.noteNotEntered(path, reason)
	}
	return reason == ""
}

func (t *tree) noteNotEntered(path, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notEntered[path] = reason
}

// whyNotEntered is why a mount at path is left out; "" when it is not.
func whyNotEntered(path string) string {
	p, err := probePath(path)
	switch {
	case err != nil:
		return "a mount is not entered: " + err.Error()
	case !p.trusted:
		return "a mount of type " + p.fsType + " is not entered"
	}
	return ""
}

// save makes one pass and keeps its result.
func (t *tree) save(ctx context.Context, saver *chunk.Saver, o chunk.SaveOptions) error {
	result, err := saver.Save(ctx, t.files, t.cache, o)
	if err != nil {
		return err
	}
	t.keep(result)
	return nil
}

// keep takes a pass's result in place of the one before, and adds what it did to the sums.
func (t *tree) keep(result *chunk.Result) {
	t.result = result
	for _, p := range result.Problems {
		if p.Kind == chunk.Silent {
			t.silent = append(t.silent, p)
		}
	}
	t.passes++
	t.read += result.Stats.BytesRead
	t.stored.NewBytes += result.Stats.NewBytes
	t.stored.StoredBytes += result.Stats.StoredBytes
}

// problems are those of the pass that counts, and the silent changes of all.
func (t *tree) problems() []chunk.Problem {
	return slices.Concat(t.silent, slices.DeleteFunc(slices.Clone(t.result.Problems), func(p chunk.Problem) bool {
		return p.Kind == chunk.Silent
	}))
}
