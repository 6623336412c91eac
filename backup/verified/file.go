package verified

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// A file is magic, the header as JSON in a line, a record of a digest and a time (8 bytes, big-endian) for each
// blob in ascending order, and the SHA-256 of all before it.
const (
	magic      = "davit verified 1\n"
	recordSize = sha256.Size + 8
)

// Path is where the log of a repository is, below a folder. A copy of the repository at another place has
// another: what was read there says nothing of this one.
func Path(folder, repository, place string) string {
	sum := sha256.Sum256([]byte(keyOf(repository, place)))
	return filepath.Join(folder, hex.EncodeToString(sum[:16]))
}

func keyOf(repository, place string) string { return repository + " " + place }

// Empty is a log that is not kept: Save does nothing.
func Empty() *Log { return &Log{times: make(map[repo.Digest]int64)} }

// Open reads the log of a repository, which is empty when there is none or none that can be used. An error
// tells that a file is there and cannot be read.
func Open(folder, repository, place string) (*Log, error) {
	l := &Log{path: Path(folder, repository, place), head: header{Key: keyOf(repository, place)}, times: make(map[repo.Digest]int64)}
	data, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was verified: %w", err)
	}
	l.newer = isNewer(data)
	if head, times, ok := decode(data); ok && head.Key == l.head.Key {
		l.head, l.times = head, times
	}
	return l, nil
}

// Save replaces the file.
func (l *Log) Save() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" {
		return nil
	}
	if l.newer {
		return fmt.Errorf("write %s: a newer davit wrote what is there", l.path)
	}
	data, err := encode(l.head, l.times)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(l.path), 0o700)
	}
	if err == nil {
		err = hostfs.WriteFile(l.path, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("remember what was verified: %w", err)
	}
	return nil
}

func encode(head header, times map[repo.Digest]int64) ([]byte, error) {
	line, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	digests := make([]repo.Digest, 0, len(times))
	for d := range times {
		digests = append(digests, d)
	}
	slices.SortFunc(digests, func(a, b repo.Digest) int { return bytes.Compare(a[:], b[:]) })
	data := make([]byte, 0, len(magic)+len(line)+1+len(times)*recordSize+sha256.Size)
	data = append(append(append(data, magic...), line...), '\n')
	for _, d := range digests {
		data = binary.BigEndian.AppendUint64(append(data, d[:]...), uint64(times[d]))
	}
	sum := sha256.Sum256(data)
	return append(data, sum[:]...), nil
}

func decode(data []byte) (head header, times map[repo.Digest]int64, ok bool) {
	body := data[:max(0, len(data)-sha256.Size)]
	sum := sha256.Sum256(body)
	if !bytes.Equal(sum[:], data[len(body):]) {
		return head, nil, false
	}
	body, ok = bytes.CutPrefix(body, []byte(magic))
	line, records, found := bytes.Cut(body, []byte("\n"))
	if !ok || !found || len(records)%recordSize != 0 || json.Unmarshal(line, &head) != nil {
		return head, nil, false
	}
	times = make(map[repo.Digest]int64, len(records)/recordSize)
	for ; len(records) > 0; records = records[recordSize:] {
		at := int64(binary.BigEndian.Uint64(records[sha256.Size:recordSize]))
		times[repo.Digest(records[:sha256.Size])] = at
	}
	return head, times, true
}

// isNewer reports whether a file begins with a higher number than magic.
func isNewer(data []byte) bool {
	var mine, theirs int
	_, known := fmt.Sscanf(magic, "davit verified %d\n", &mine)
	_, is := fmt.Sscanf(string(data[:min(len(data), 32)]), "davit verified %d\n", &theirs)
	return known == nil && is == nil && theirs > mine
}
