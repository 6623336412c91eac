//go:build linux

package hostfs

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	copyBuffer = 1 << 20
	rangeChunk = 64 << 20 // of one call to the kernel, so that it can be interrupted and limited
)

// data copies the content of a regular file into an empty one. A file that shrinks meanwhile gives a shorter copy.
func (c *copier) data(ctx context.Context, in, out int, st *Stat) error {
	if st.Size == 0 {
		return nil
	}
	if !c.noClone.Load() {
		done, err := c.clone(in, out, st)
		if done || err != nil {
			return err
		}
	}
	segments := []Segment{{0, st.Size}}
	// The number of blocks does not tell: while a file is written out, ext4 counts some of them twice.
	if st.Size > segmentAlign {
		var err error
		if segments, err = DataSegments(in, st.Size); err != nil {
			return reading(err)
		}
	}
	end := int64(0)
	for _, s := range segments {
		n, err := c.segment(ctx, in, out, s)
		if err != nil {
			return err
		}
		end = s.Off + n
		if n < s.Len {
			return nil
		}
	}
	if end < st.Size { // it ends in a hole
		if err := unix.Ftruncate(out, st.Size); err != nil {
			return fmt.Errorf("set size: %w", err)
		}
	}
	return nil
}

// clone has both files share their data. It is not done where the file systems, or this file, cannot.
func (c *copier) clone(in, out int, st *Stat) (done bool, err error) {
	switch err := unix.IoctlFileClone(out, in); err {
	case nil:
		c.counts.Shared.Add(st.Size)
		return true, nil
	case unix.EXDEV, unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS:
		c.noClone.Store(true)
		return false, nil
	case unix.EINVAL, unix.EPERM, unix.ETXTBSY, unix.EBADF: // of this file only
		return false, nil
	default:
		return false, fmt.Errorf("share data: %w", err)
	}
}

// segment copies a range and returns how much of it was there.
func (c *copier) segment(ctx context.Context, in, out int, s Segment) (int64, error) {
	done := int64(0)
	// The kernel copies inside one file system only, and gains nothing for small files.
	if !c.noRange.Load() && s.Len > copyBuffer {
		n, err := c.inKernel(ctx, in, out, s)
		if err != nil {
			return n, err
		}
		done = n
	}
	if done == s.Len {
		return done, nil
	}
	n, err := c.throughBuffer(ctx, in, out, Segment{s.Off + done, s.Len - done})
	return done + n, err
}

// inKernel copies with copy_file_range, as far as that gets.
func (c *copier) inKernel(ctx context.Context, in, out int, s Segment) (done int64, err error) {
	for done < s.Len {
		chunk := int(min(s.Len-done, rangeChunk))
		if err := c.allow(ctx, chunk); err != nil {
			return done, err
		}
		from, to := s.Off+done, s.Off+done
		n, err := unix.CopyFileRange(in, &from, out, &to, chunk, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EXDEV || err == unix.EOPNOTSUPP || err == unix.ENOSYS:
			c.noRange.Store(true)
			return done, nil
		case err == unix.EINVAL:
			return done, nil
		case err != nil:
			return done, fmt.Errorf("copy data: %w", err)
		case n == 0: // the end of a file that shrank; some pseudo files say so too early
			return done, nil
		}
		done += int64(n)
		c.counts.Bytes.Add(int64(n))
	}
	return done, nil
}

// throughBuffer copies by reading and writing.
func (c *copier) throughBuffer(ctx context.Context, in, out int, s Segment) (done int64, err error) {
	buffer := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(buffer)
	for done < s.Len {
		chunk := (*buffer)[:min(s.Len-done, copyBuffer)]
		if err := c.allow(ctx, len(chunk)); err != nil {
			return done, err
		}
		n, err := unix.Pread(in, chunk, s.Off+done)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return done, reading(fmt.Errorf("read: %w", err))
		case n == 0:
			return done, nil
		}
		if err := writeAt(out, chunk[:n], s.Off+done); err != nil {
			return done, err
		}
		done += int64(n)
		c.counts.Bytes.Add(int64(n))
	}
	return done, nil
}

func writeAt(out int, data []byte, at int64) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(out, data, at)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("write: %w", err)
		case n == 0:
			return errors.New("write: nothing was written")
		}
		data, at = data[n:], at+int64(n)
	}
	return nil
}

// allow waits until n bytes may be copied.
func (c *copier) allow(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.o.Limit == nil {
		return nil
	}
	return c.o.Limit(ctx, n)
}
