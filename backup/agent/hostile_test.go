package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"davit/backup/chunk"
	"davit/engine/hostfs"
)

// liar is an agent that answers what a test wants.
func liar(t testing.TB, h handler) *Client {
	t.Helper()
	fromClient, toAgent := io.Pipe()
	fromAgent, toClient := io.Pipe()
	p, err := newPeer(fromClient, toClient, func(ctx context.Context, o op, body []byte) ([]byte, error) {
		q := &packer{}
		switch o {
		case opHello:
			q.number(protocol)
			q.text("liar")
			return q.b, nil
		case opOpen:
			q.number(1)
			q.text("")
			q.text("ext4")
			q.flag(true)
			q.flag(true)
			return appendNaturals(q.b, 1, 1), nil
		}
		return h(ctx, o, body)
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.run()
		toClient.Close()
	}()
	c, err := Connect(t.Context(), fromAgent, toAgent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { toAgent.Close(); c.Wait() })
	return c
}

func entry(dir, name string, mode uint32) hostfs.Entry {
	return hostfs.Entry{Dir: dir, Name: name, Stat: hostfs.Stat{Mode: mode, Nlink: 1}}
}

// Entries that are no walk of a folder end it before anybody sees them.
func TestHostileWalk(t *testing.T) {
	const folder, file = 0o040755, 0o100644
	root := entry("", "", folder)
	for name, entries := range map[string][]hostfs.Entry{
		"no root":         {entry("", "a", file)},
		"root is a file":  {entry("", "", file)},
		"up":              {root, entry("", "..", folder)},
		"slash":           {root, entry("", "a/b", file)},
		"NUL":             {root, entry("", "a\x00", file)},
		"empty":           {root, root},
		"long":            {root, entry("", strings.Repeat("x", 256), file)},
		"twice":           {root, entry("", "a", file), entry("", "a", file)},
		"descending":      {root, entry("", "b", file), entry("", "a", file)},
		"below a file":    {root, entry("", "a", file), entry("a", "b", file)},
		"unknown folder":  {root, entry("x", "b", file)},
		"left behind":     {root, entry("", "a", folder), entry("", "b", folder), entry("a", "c", file)},
		"absolute folder": {root, entry("/etc", "passwd", file)},
	} {
		t.Run(name, func(t *testing.T) {
			c := liar(t, func(_ context.Context, o op, _ []byte) ([]byte, error) {
				p := &packer{}
				if o == opWalk {
					p.number(1)
					return p.b, nil
				}
				p.flag(false)
				for i := range entries {
					p.number(walkFolder)
					p.text(entries[i].Dir)
					p.text(entries[i].Name)
					p.stat(&entries[i].Stat)
				}
				return p.b, nil
			})
			seen := 0
			err := open(t, c, "/x").Tree(TreeOptions{}).Walk(t.Context(), hostfs.WalkOptions{}, func(*hostfs.Entry) error {
				seen++
				return nil
			})
			if !errors.Is(err, errNoTree) || seen == len(entries) {
				t.Errorf("%d of %d entries seen, %v", seen, len(entries), err)
			}
		})
	}
}

// Bodies of any content are an error or an answer, never a panic and never much memory.
func TestHostileBodies(t *testing.T) {
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	for _, body := range [][]byte{nil, {0}, {2}, {0xff}, huge, append([]byte{fetchWhole}, huge...), make([]byte, 1000)} {
		c := liar(t, func(context.Context, op, []byte) ([]byte, error) { return body, nil })
		place := open(t, c, "/x")
		tree := place.Tree(TreeOptions{})
		done, err := tree.Ahead(t.Context(), []string{"a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		dir, _ := tree.OpenFolder("")
		_, _ = dir.Xattrs("a")
		_, _ = dir.Readlink("b")
		if f, _, err := dir.OpenRegular("c"); err == nil {
			_, _ = f.Pread(make([]byte, 10), 0)
			_, _ = f.DataSegments(10)
		}
		_ = tree.Walk(t.Context(), hostfs.WalkOptions{}, func(*hostfs.Entry) error { return nil })
		_, _ = place.Settle(t.Context())
		done()
	}
}

// An agent gets no blob but those of the item that is restored, and none when nothing is.
func TestHostileBlobs(t *testing.T) {
	s := newStore(t)
	other, err := s.PutBlob(t.Context(), []byte(`{"secret":true}`))
	if err != nil {
		t.Fatal(err)
	}
	desc := item(t, s, nil)
	var asked error
	var me *Client
	c := liar(t, func(_ context.Context, o op, _ []byte) ([]byte, error) {
		p := &packer{}
		p.text(other.String())
		_, asked = me.blobs.answer(context.Background(), opBlob, p.b)
		return nil, errors.New("done")
	})
	me = c
	p := &packer{}
	p.text(other.String())
	if data, err := c.blobs.answer(t.Context(), opBlob, p.b); err == nil {
		t.Errorf("without a restore it gets %q", data)
	}
	_, err = open(t, c, "/x").Restore(t.Context(), s, desc, "", nil)
	if err == nil || asked == nil || !errors.Is(asked, errNotAllowed) {
		t.Errorf("it gets another item's blob: %v, %v", asked, err)
	}
}

// Frames longer than allowed are not read, and neither are those that unpack to more.
func TestHostileFrames(t *testing.T) {
	for name, head := range map[string][]byte{
		"long":    {0xff, 0xff, 0xff, 0xff, byte(answer), 0, 0, 0, 0, 0},
		"no zstd": {1, 0, 0, 0, byte(answer | packed), 0, 0, 0, 0, 0, 'x'},
		"kind":    {0, 0, 0, 0, 9, 0, 0, 0, 0, 0},
	} {
		f, err := newFramer(strings.NewReader(string(head)), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.read(); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
		f.close()
	}
}

// When the other side goes away, whoever waits for it is told, and so is whoever asks later; a context that ends
// does the same for its own.
func TestEnd(t *testing.T) {
	hang := make(chan struct{})
	c := liar(t, func(context.Context, op, []byte) ([]byte, error) { <-hang; return nil, nil })
	defer close(hang)
	tree := open(t, c, "/x").Tree(TreeOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := tree.Walk(ctx, hostfs.WalkOptions{}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	told := make(chan error, 1)
	go func() {
		_, err := c.Open(context.Background(), "/y")
		_ = err
		told <- tree.Walk(context.Background(), hostfs.WalkOptions{}, nil)
	}()
	c.peer.cancel(errEnded)
	select {
	case err := <-told:
		if !errors.Is(err, errEnded) {
			t.Errorf("%v, want the end", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody is told")
	}
	var _ chunk.Tree = tree
}
