package prune

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/bbolt"
)

// errWritten says that a database was written to while it was copied.
var errWritten = errors.New("it is written to all the time")

// readBolt reads a copy of a database that its owner has open and locked. A copy that was taken while the owner wrote
// may mix old and new pages: then another one is taken. visit may be called again after an error.
func readBolt(file string, visit func(bucket) error) error {
	var err error
	for range 20 {
		if err = readBoltOnce(file, visit); err == nil {
			return nil
		}
	}
	return fmt.Errorf("read %s: %w", file, err)
}

// readHead reads where a database says which of its pages are valid: its first two pages. What these lead to is written
// over only by the second commit after, so that a copy between two equal heads is whole.
func readHead(f *os.File) ([]byte, error) {
	head := make([]byte, 2*os.Getpagesize())
	n, err := f.ReadAt(head, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

func readBoltOnce(file string, visit func(bucket) error) (err error) {
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read from
	dir := ""
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		dir = "/dev/shm" // the disk may be full
	}
	copied, err := os.CreateTemp(dir, "davit-db-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(copied.Name())) }()
	head, err := readHead(from)
	if err == nil {
		_, err = io.Copy(copied, from)
	}
	if err = errors.Join(err, copied.Close()); err != nil {
		return err
	}
	if now, err := readHead(from); err != nil || !bytes.Equal(head, now) {
		return errors.Join(err, errWritten)
	}
	// The library panics on pages that make no sense.
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(err, fmt.Errorf("damaged: %v", p))
		}
	}()
	db, err := bbolt.Open(copied.Name(), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error { return visit(bucket{tx.Cursor().Bucket()}) })
}

// bucket is a part of a database; the zero value is an empty one.
type bucket struct{ b *bbolt.Bucket }

// at is the bucket at a path.
func (b bucket) at(path ...string) (bucket, bool) {
	for _, name := range path {
		if b.b == nil {
			return bucket{}, false
		}
		b.b = b.b.Bucket([]byte(name))
	}
	return b, b.b != nil
}

// each visits the buckets in a bucket.
func (b bucket) each(visit func(key string, in bucket) error) error {
	if b.b == nil {
		return nil
	}
	return b.b.ForEachBucket(func(k []byte) error { return visit(string(k), bucket{b.b.Bucket(k)}) })
}

// keys are the keys of a bucket.
func (b bucket) keys() []string {
	var list []string
	if b.b == nil {
		return nil
	}
	_ = b.b.ForEach(func(k, _ []byte) error { // never fails
		list = append(list, string(k))
		return nil
	})
	return list
}

func (b bucket) text(key string) string { return string(b.b.Get([]byte(key))) }

// number is a value as containerd writes numbers: 0 when there is none.
func (b bucket) number(key string) uint64 {
	value := b.b.Get([]byte(key))
	if n, ok := binary.Uvarint(value); ok > 0 && key == "id" {
		return n
	}
	n, _ := binary.Varint(value)
	return uint64(max(n, 0))
}
