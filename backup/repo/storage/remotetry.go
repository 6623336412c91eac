package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"
)

const (
	tries     = 8
	triesNew  = 4                      // of a server that never answered: it may not be there at all
	firstWait = 200 * time.Millisecond // doubled each time
	longWait  = 20 * time.Second
	tryTime   = 90 * time.Second // of a request without much to send
	slowest   = 32 << 10         // bytes a second that a connection must be good for
)

// try does something until it goes right, or it is of no use, or too often. Each try has a time
// that is enough for bytes.
func (r *remote) try(ctx context.Context, bytes int64, do func(context.Context) error) error {
	wait := firstWait
	for n := 1; ; n++ {
		trying, cancel := context.WithTimeout(ctx, tryTime+time.Duration(bytes/slowest)*time.Second)
		err := do(trying)
		cancel()
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			r.answered.Store(true)
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n == tries || n >= triesNew && !r.answered.Load() || r.on.Final(err) {
			return err
		}
		// Not all in step: many hosts may have been told to slow down at once.
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, longWait)
	}
}

// limitStep is how much is sent or taken at once where there is a limit.
const limitStep = 32 << 10

func limiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), limitStep)
}

// limitReader reads no faster than the limiter lets it; nil is no limit. What can be read again
// from its beginning still can.
func limitReader(ctx context.Context, l *rate.Limiter, in io.Reader) limitedReader {
	return limitedReader{ctx: ctx, limit: l, in: in}
}

type limitedReader struct {
	ctx   context.Context // of the request: io.Reader has no room for one
	limit *rate.Limiter
	in    io.Reader
}

func (l limitedReader) Read(p []byte) (int, error) {
	if l.limit == nil {
		return l.in.Read(p)
	}
	n, err := l.in.Read(p[:min(len(p), limitStep)])
	if n > 0 {
		if werr := l.limit.WaitN(l.ctx, n); werr != nil {
			return n, werr
		}
	}
	return n, err
}

func (l limitedReader) Seek(offset int64, whence int) (int64, error) {
	s, ok := l.in.(io.Seeker)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	return s.Seek(offset, whence)
}
