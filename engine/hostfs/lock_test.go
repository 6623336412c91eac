package hostfs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Locks keep each other out between two opens of one file, let its content be read, and end with the file.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, []byte("owner"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() }) // closed by some steps
		return f
	}
	first, second, third := open(), open(), open()
	steps := []struct {
		name string
		do   func(*os.File) error
		on   *os.File
		want error
	}{
		{"the first takes it", Lock, first, nil},
		{"the second does not", Lock, second, ErrLocked},
		{"nor shares it", LockShared, second, ErrLocked},
		{"the first lets go", (*os.File).Close, first, nil},
		{"the second shares it", LockShared, second, nil},
		{"so does the third", LockShared, third, nil},
		{"the second does not get it alone", Lock, second, ErrLocked},
		{"the third lets go", (*os.File).Close, third, nil},
		{"the second gets it", LockWaiting, second, nil},
	}
	for _, s := range steps {
		if err := s.do(s.on); !errors.Is(err, s.want) {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	if data, err := io.ReadAll(open()); err != nil || string(data) != "owner" {
		t.Errorf("the locked file reads %q, %v", data, err)
	}
	if err := Lock(first); err == nil {
		t.Error("a closed file was locked")
	}
}

// A lock that somebody waits for is had as soon as it is free.
func TestLockWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	holder, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	waiter, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer waiter.Close()
	if err := Lock(holder); err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() { got <- LockWaiting(waiter) }()
	select {
	case err := <-got:
		t.Fatalf("two have the lock: %v", err)
	default:
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}
