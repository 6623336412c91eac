package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Options are what a storage on a server needs of this machine and its user.
type Options struct {
	Parallel int    // uploads, and downloads, at once; 0: DefaultParallel
	Upload   int64  // bytes a second; 0: no limit
	Download int64  // bytes a second; 0: no limit
	Cache    string // folder for what was read once; "": a temporary one, removed by Close

	Getenv func(string) string // nil: nothing is set
	Home   string              // the user's folder, with .ssh and .aws
}

// DefaultParallel is how many uploads, and downloads, run at once.
const DefaultParallel = 16

// Objects is a server: names and bytes. Its errors are those of one try.
type Objects interface {
	Place() string
	// Put replaces a file by size bytes; sum is their SHA-256, or "" when it is not known.
	Put(ctx context.Context, name string, body io.ReadSeeker, size int64, sum string) error
	Get(ctx context.Context, name string) (io.ReadCloser, int64, error)
	Stat(ctx context.Context, name string) (Info, error)
	List(ctx context.Context, folder string, visit func(name string, info Info) error) error
	Remove(ctx context.Context, name string) error
	MakeFolders(ctx context.Context, folders []string) error
	// Tidy removes what was half-written before a moment.
	Tidy(ctx context.Context, before time.Time) error
	// Final tells that trying again is of no use.
	Final(err error) bool
	Close() error
}

// remote is a storage on a server.
type remote struct {
	on       Objects
	parallel int
	up, down *rate.Limiter
	uploads  *uploads
	cache    cache
	expired  time.Duration // age at which a lock's holder counts as dead
	answered atomic.Bool   // the server did once
	released sync.Map      // names of this client's tickets that are being removed, or could not be
	written  sync.Map      // of Put with Caching: the bytes, by name
}

// NewRemote returns the storage on a server. It closes it.
func NewRemote(on Objects, o Options) (Storage, error) {
	r := &remote{on: on, parallel: o.Parallel, up: limiter(o.Upload), down: limiter(o.Download), expired: ticketExpires}
	if r.parallel <= 0 {
		r.parallel = DefaultParallel
	}
	if err := r.cache.open(o.Cache); err != nil {
		return nil, errors.Join(err, on.Close())
	}
	r.uploads = newUploads(r.parallel, r.upload)
	return r, nil
}

func (r *remote) Place() string { return r.on.Place() }
func (r *remote) Local() bool   { return false }

func (r *remote) Close() error {
	r.uploads.close()
	return errors.Join(r.cache.close(), r.on.Close())
}

// Identify keeps what is cached of one repository apart from another's at the same place.
func (r *remote) Identify(id string) error { return r.cache.use(id) }

// body is bytes that can be sent more than once, from memory or a file.
type body struct {
	data []byte
	file *os.File // not nil: the bytes are here
	size int64
	sum  string // SHA-256, or ""
	keep bool   // in the cache, once it is there
}

func bytesBody(data []byte) body {
	sum := sha256.Sum256(data)
	return body{data: data, size: int64(len(data)), sum: hex.EncodeToString(sum[:])}
}

func (b body) reader() io.ReadSeeker {
	if b.file != nil {
		return io.NewSectionReader(b.file, 0, b.size)
	}
	return bytes.NewReader(b.data)
}

// upload sends a file, however often that takes.
func (r *remote) upload(ctx context.Context, name string, b body) error {
	err := r.try(ctx, b.size, func(ctx context.Context) error {
		return r.on.Put(ctx, name, limitReader(ctx, r.up, b.reader()), b.size, b.sum)
	})
	if err == nil && b.keep {
		r.cache.put(name, b.data)
	}
	return err
}

func (r *remote) Put(ctx context.Context, name string, data []byte) error {
	if err := r.upload(ctx, name, bytesBody(data)); err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	if isCaching(ctx) {
		r.written.Store(name, bytes.Clone(data))
	}
	return nil
}

// PutFrom keeps in the cache what later is read in any order.
func (r *remote) PutFrom(ctx context.Context, name string, write func(io.Writer) error) error {
	f, err := r.cache.temp()
	if err != nil {
		return err
	}
	defer f.Close()
	defer os.Remove(f.Name())
	sum := sha256.New()
	if err := write(io.MultiWriter(f, sum)); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := r.upload(ctx, name, body{file: f, size: size, sum: hex.EncodeToString(sum.Sum(nil))}); err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	if isCachedWhole(name) {
		r.cache.adopt(name, f.Name())
	}
	return nil
}

func (r *remote) Get(ctx context.Context, name string, limit int64) (data []byte, err error) {
	err = r.try(ctx, limit, func(ctx context.Context) error {
		in, size, err := r.on.Get(ctx, name)
		if err != nil {
			return err
		}
		defer in.Close()
		if size > limit {
			return tooLong(name, size)
		}
		data, err = readWhole(limitReader(ctx, r.down, &sizedReader{in: in, left: size}), size)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	return data, nil
}

func (r *remote) GetListed(ctx context.Context, e Entry, limit int64) ([]byte, error) {
	info, err := e.Info()
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%s-%d-%d", e.Name(), info.Size, info.Time.UnixNano())
	if data, ok := r.cache.get(key); ok && !isFresh(ctx) {
		return data, nil
	}
	data, ok := r.own(e.Name(), info.Size)
	if !ok || isFresh(ctx) {
		data, err = r.Get(ctx, e.Name(), limit)
	}
	if err == nil && int64(len(data)) == info.Size {
		r.cache.put(key, data)
	}
	return data, err
}

// own is what this process has written once under a name.
func (r *remote) own(name string, size int64) ([]byte, bool) {
	v, ok := r.written.Load(name)
	if !ok || int64(len(v.([]byte))) != size {
		return nil, false
	}
	return bytes.Clone(v.([]byte)), true
}

// Open reads a blob that is still on its way from where it is.
func (r *remote) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	if b, ok := r.uploads.pending(name); ok {
		return io.NopCloser(b.reader()), b.size, nil
	}
	if !isCaching(ctx) {
		return r.stream(ctx, name)
	}
	if data, ok := r.cache.get(name); ok {
		return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
	}
	data, err := r.Get(ctx, name, maxCached)
	if err != nil {
		return nil, 0, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) == path.Base(name) {
		r.cache.put(name, data)
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}

// stream reads small files at once, which can be tried again, and others as they come.
func (r *remote) stream(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	var out io.ReadCloser
	var size int64
	err := r.try(ctx, maxCached, func(trying context.Context) error {
		in, n, err := r.on.Get(ctx, name) //nolint:contextcheck // a long stream outlives the try
		if err != nil {
			return err
		}
		size = n
		whole := &sizedReader{in: in, left: n}
		if n > maxCached {
			out = readCloser{limitReader(ctx, r.down, whole), in}
			return nil
		}
		defer in.Close()
		data, err := readWhole(limitReader(trying, r.down, whole), n)
		out = io.NopCloser(bytes.NewReader(data))
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("get %s: %w", name, err)
	}
	return out, size, nil
}

// readWhole reads what is as long as the server told; -1, when it did not, is nothing.
func readWhole(in io.Reader, size int64) ([]byte, error) {
	data := make([]byte, max(0, size))
	_, err := io.ReadFull(in, data)
	return data, err
}

type readCloser struct {
	io.Reader
	io.Closer
}

// sizedReader takes an end before the size that was told for what it is: a connection that broke.
type sizedReader struct {
	in   io.Reader
	left int64
}

func (s *sizedReader) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, io.EOF
	}
	n, err := s.in.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if errors.Is(err, io.EOF) && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.EOF) {
		err = nil // the next call tells
	}
	return n, err
}

func (r *remote) OpenAt(ctx context.Context, name string, fresh bool) (*os.File, int64, error) {
	if isCachedWhole(name) && !fresh && !isFresh(ctx) {
		if f, size, ok := r.cache.openWhole(name); ok {
			return f, size, nil
		}
	}
	f, err := r.cache.temp()
	if err != nil {
		return nil, 0, err
	}
	defer os.Remove(f.Name()) // it stays open, and in the cache under another name
	size, err := r.fetch(ctx, name, f)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	if isCachedWhole(name) {
		r.cache.adopt(name, f.Name())
	}
	return f, size, nil
}

func (r *remote) fetch(ctx context.Context, name string, f *os.File) (size int64, err error) {
	err = r.try(ctx, maxWhole, func(ctx context.Context) error {
		in, n, err := r.on.Get(ctx, name)
		if err != nil {
			return err
		}
		defer in.Close()
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		size, err = io.Copy(f, limitReader(ctx, r.down, &sizedReader{in: in, left: n}))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("get %s: %w", name, err)
	}
	return size, nil
}

// maxWhole bounds the time that fetching an index file may take.
const maxWhole = 1 << 30

func isCachedWhole(name string) bool { return strings.HasPrefix(name, "davit/index/") }

func (r *remote) Stat(ctx context.Context, name string) (info Info, err error) {
	if b, ok := r.uploads.pending(name); ok {
		return Info{Size: b.size}, nil
	}
	err = r.try(ctx, 0, func(ctx context.Context) error {
		info, err = r.on.Stat(ctx, name)
		return err
	})
	if err != nil {
		return Info{}, fmt.Errorf("stat %s: %w", name, err)
	}
	return info, nil
}

type remoteEntry struct {
	name string
	info Info
}

func (e remoteEntry) Name() string        { return e.name }
func (e remoteEntry) Info() (Info, error) { return e.info, nil }

// List visits when the whole list is there: a try may end in the middle of it.
func (r *remote) List(ctx context.Context, folder string, visit func(Entry) error) error {
	entries, err := r.entries(ctx, folder)
	if err != nil {
		return err
	}
	if folder == "davit/index" {
		r.cache.keepWhole(entries)
	}
	for _, e := range entries {
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

func (r *remote) entries(ctx context.Context, folder string) (entries []remoteEntry, err error) {
	err = r.try(ctx, maxWhole, func(ctx context.Context) error {
		entries = entries[:0]
		return r.on.List(ctx, folder, func(name string, info Info) error {
			if !isTemp(path.Base(name)) {
				entries = append(entries, remoteEntry{name, info})
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", folder, err)
	}
	return entries, nil
}

func (r *remote) Remove(ctx context.Context, name string) error {
	err := r.try(ctx, 0, func(ctx context.Context) error { return r.on.Remove(ctx, name) })
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case IsDenied(err), errors.Is(err, fs.ErrPermission):
		return &KeptError{Name: name, err: err}
	}
	return fmt.Errorf("remove %s: %w", name, err)
}

func (r *remote) RemoveAll(ctx context.Context, folder string) error {
	entries, err := r.entries(ctx, folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := r.Remove(ctx, e.name); err != nil {
			return err
		}
	}
	return nil
}

func (r *remote) RemoveBlobs(ctx context.Context, names []string, gone func(name string, size int64)) error {
	var mu sync.Mutex
	var errs []error
	Each(r.parallel, len(names), func(i int) {
		info, err := r.Stat(ctx, BlobFolder+"/"+names[i])
		if err == nil {
			err = r.Remove(ctx, BlobFolder+"/"+names[i])
		} else if errors.Is(err, fs.ErrNotExist) {
			return // an earlier call was cut here
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			errs = append(errs, err)
			return
		}
		gone(names[i], info.Size)
	})
	if len(errs) > 0 {
		return errs[0]
	}
	return context.Cause(ctx)
}

// Each calls do with 0 to n-1, by at most so many workers at once, and returns when all are done.
func Each(workers, n int, do func(int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// IsPassing tells files on a server that are there for a moment only, and mean nothing to others.
func IsPassing(name string) bool {
	for _, folder := range []string{clockFolder, probeFolder, initFolder, sftpTemps} {
		if strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}

const (
	clockFolder = "davit/clock"
	probeFolder = "davit/probe"
	initFolder  = "davit/init"
)

// Now writes a file and looks when that was.
func (r *remote) Now(ctx context.Context) (time.Time, error) {
	name := clockFolder + "/" + newTicketName()
	if err := r.Put(ctx, name, nil); err != nil {
		return time.Time{}, err
	}
	info, err := r.Stat(ctx, name)
	return info.Time, errors.Join(err, r.Remove(context.WithoutCancel(ctx), name))
}

// RemoveTemps has nothing to do: nobody sees what is half-written.
func (r *remote) RemoveTemps(context.Context, []string) error { return nil }

func (r *remote) Tidy(ctx context.Context, now time.Time) error {
	return r.try(ctx, maxWhole, func(ctx context.Context) error { return r.on.Tidy(ctx, now.Add(-oldTemp)) })
}
