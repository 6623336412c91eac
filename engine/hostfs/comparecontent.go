//go:build linux

package hostfs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// content compares two regular files of the same size. What is a hole in both is not read.
func (c *comparer) content(ctx context.Context, a, b *Dir, e *Entry) error {
	in, st, err1 := a.OpenRegular(e.Name)
	out, is, err2 := b.OpenRegular(e.Name)
	if err1 == nil {
		defer unix.Close(in)
	}
	if err2 == nil {
		defer unix.Close(out)
	}
	if err := errors.Join(err1, err2); err != nil {
		c.problem(e.Path(), err)
		return nil
	}
	if st.Size != is.Size {
		c.differ(e.Path(), "size was %d, is %d", st.Size, is.Size)
		return nil
	}
	// What the copy has in memory is what was written, not what is on the disk.
	_ = unix.Fadvise(out, 0, 0, unix.FADV_DONTNEED)
	was, err1 := DataSegments(in, st.Size)
	has, err2 := DataSegments(out, st.Size)
	if err := errors.Join(err1, err2); err != nil {
		c.problem(e.Path(), err)
		return nil
	}
	for _, s := range union(was, has) {
		same, err := c.sameRange(ctx, in, out, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.problem(e.Path(), err)
			return nil
		}
		if !same {
			c.differ(e.Path(), "content differs")
			return nil
		}
	}
	return nil
}

// union merges two sorted lists of segments.
func union(a, b []Segment) []Segment {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(s, t Segment) int { return cmp.Compare(s.Off, t.Off) })
	merged := all[:0]
	for _, s := range all {
		if n := len(merged); n > 0 && s.Off <= merged[n-1].Off+merged[n-1].Len {
			last := &merged[n-1]
			last.Len = max(last.Len, s.Off+s.Len-last.Off)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func (c *comparer) sameRange(ctx context.Context, in, out int, s Segment) (bool, error) {
	const chunk = 256 << 10
	size := min(s.Len, chunk)
	one, two := make([]byte, size), make([]byte, size)
	for done := int64(0); done < s.Len; {
		n := min(s.Len-done, size)
		if c.o.Limit != nil {
			if err := c.o.Limit(ctx, int(2*n)); err != nil {
				return false, err
			}
		}
		if err := errors.Join(readFull(in, one[:n], s.Off+done), readFull(out, two[:n], s.Off+done), ctx.Err()); err != nil {
			return false, err
		}
		if !bytes.Equal(one[:n], two[:n]) {
			return false, nil
		}
		c.bytes.Add(n)
		done += n
	}
	return true, nil
}

// readFull reads until the buffer is full.
func readFull(fd int, buf []byte, at int64) error {
	for len(buf) > 0 {
		n, err := unix.Pread(fd, buf, at)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case n == 0:
			return errors.New("read: the file became shorter")
		}
		buf, at = buf[n:], at+int64(n)
	}
	return nil
}
