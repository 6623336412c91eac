package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// stream is a tar stream that must end properly. An engine answers a save
// with status 200 and may fail afterwards: then the stream stops somewhere,
// with or without the text of an error in place of what is missing.
type stream struct {
	ctx  context.Context
	r    io.Reader
	err  error  // of r, held back until its bytes were delivered
	told bool   // err was given to the reader
	n    int64  // bytes delivered
	tail []byte // the last bytes delivered
	tr   *tar.Reader

	entries int
}

func newStream(ctx context.Context, r io.Reader) *stream {
	s := &stream{ctx: ctx, r: r}
	s.tr = tar.NewReader(s)
	return s
}

func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		s.told = true
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	s.remember(p[:n])
	s.err = err
	if n > 0 {
		return n, nil
	}
	s.told = err != nil
	return 0, err
}

func (s *stream) remember(p []byte) {
	if len(p) >= maxErrorText {
		s.tail = append(s.tail[:0], p[len(p)-maxErrorText:]...)
		return
	}
	s.tail = append(s.tail, p...)
	if over := len(s.tail) - maxErrorText; over > maxErrorText {
		s.tail = s.tail[:copy(s.tail, s.tail[over:])]
	}
}

// next gives the next entry with its name cleaned, or io.EOF when the archive
// ended as it should.
func (s *stream) next() (*tar.Header, error) {
	hdr, err := s.tr.Next()
	if err == io.EOF {
		return nil, s.end()
	}
	if err != nil {
		return nil, s.broken(err)
	}
	if s.entries++; s.entries > maxEntries {
		return nil, fmt.Errorf("read archive: more than %d entries", maxEntries)
	}
	name, ok := inside(hdr.Name)
	if !ok {
		return nil, fmt.Errorf("read archive: entry %q leaves the archive", hdr.Name)
	}
	hdr.Name = name
	return hdr, nil
}

// end checks what follows the last entry. archive/tar takes a stream that
// stops between two entries for a whole archive, so the two zero blocks count
// as seen only if the stream did not end before them.
func (s *stream) end() error {
	if s.told {
		return s.broken(io.ErrUnexpectedEOF)
	}
	buf := make([]byte, 32<<10)
	for padding := 0; ; {
		n, err := s.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) != 0 {
			return s.broken(errors.New("unexpected bytes after the end"))
		}
		if padding += n; padding > maxPadding {
			return fmt.Errorf("read archive: more than %d bytes after the end", maxPadding)
		}
		if err == io.EOF {
			return io.EOF
		}
		if err != nil {
			return s.broken(err)
		}
	}
}

// broken turns an error of reading into one that says what the engine said,
// where the end of the stream holds that.
func (s *stream) broken(err error) error {
	if cerr := s.ctx.Err(); cerr != nil {
		return fmt.Errorf("read archive: %w", cerr)
	}
	// The text may not have been read yet: it is short, and the last thing.
	// What goes wrong while looking for it is not the reason.
	_, _ = io.CopyN(io.Discard, s, maxErrorText)
	if text := engineError(s.tail); text != "" {
		return &EngineError{Text: text}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return fmt.Errorf("read archive: the stream stops after %d bytes: %w", s.n, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read archive: %w", err)
}

// EngineError is an error that an engine wrote into its stream.
type EngineError struct{ Text string }

func (e *EngineError) Error() string {
	return "read archive: the engine says: " + strconv.Quote(e.Text)
}

// engineError finds the JSON error at the end of a stream: {"message":…} or
// {"errorDetail":{"message":…},"error":…}.
func engineError(tail []byte) string {
	for _, key := range []string{`{"errorDetail"`, `{"message"`, `{"error"`} {
		i := bytes.LastIndex(tail, []byte(key))
		if i < 0 {
			continue
		}
		var doc struct {
			Message string `json:"message"`
			Error   string `json:"error"`
			Detail  struct {
				Message string `json:"message"`
			} `json:"errorDetail"`
		}
		if json.Unmarshal(bytes.Trim(tail[i:], "\x00\r\n\t "), &doc) != nil {
			continue
		}
		for _, text := range []string{doc.Detail.Message, doc.Error, doc.Message} {
			if text != "" {
				return text
			}
		}
	}
	return ""
}

// inside cleans a name of an archive; ok is false when it is absolute or
// leads out.
func inside(name string) (clean string, ok bool) {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsRune(name, 0) {
		return "", false
	}
	clean = path.Clean(name)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", false
	}
	return clean, true
}
