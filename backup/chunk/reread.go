package chunk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"davit/backup/repo"
)

// reread is the share of what did not change that a pass reads all the same, to
// find content that changed although no time moved: a disk that forgets, or a
// tool that sets times back.
type reread struct {
	shares uint64 // 0: none
	turn   uint64
}

// takes tells whether it is the turn of u. The turn goes by the path of the
// first member, so that each unit's comes once in as many passes as there are
// shares.
func (r reread) takes(u *unit) bool {
	return r.shares > 0 && hashPath(u.members[0].path)%r.shares == r.turn%r.shares
}

// expected is what the cache knew of a unit that is read again.
type expected struct {
	print fingerprint
	run   repo.ID
	big   *bigRecord // nil: the unit holds no big file
}

// nextTurn counts the passes that read a share again; a cache that is lost begins
// anew, after a pass that read everything.
func (c *Cache) nextTurn() uint64 {
	print := fingerprint(sha256.Sum256([]byte("turn 1")))
	turn, _ := binary.Uvarint(c.get(print))
	c.put(print, binary.AppendUvarint(nil, turn+1))
	return turn
}

// silent names the files of u whose content is not what the cache expected,
// though nothing that the file system says of them is new.
func (c *collector) silent(ctx context.Context, u *unit) []Problem {
	if u.expect == nil || u.runPrint != u.expect.print || !u.harmless() {
		return nil
	}
	if u.expect.big != nil && u.bigDiffers() {
		return []Problem{silentProblem(u.last().path)}
	}
	if u.run == nil || u.run.blob.ID == u.expect.run {
		return nil
	}
	var problems []Problem
	for _, path := range c.differing(ctx, u) {
		problems = append(problems, silentProblem(path))
	}
	return problems
}

func silentProblem(path string) Problem {
	return Problem{Path: path, Kind: Silent, Reason: "its content changed and its times did not"}
}

// bigDiffers compares the chunks of the unit's big file. Another layout of holes
// may be the same content, and is not looked at.
func (u *unit) bigDiffers() bool {
	if u.bigFile.size != u.expect.big.size || !slices.Equal(u.bigFile.segments, u.expect.big.segments) {
		return false
	}
	return !slices.EqualFunc(u.chunks, u.expect.big.ids, func(ref *chunkRef, id repo.ID) bool { return ref.blob.ID == id })
}

// differing compares the run with the one that was expected, entry by entry. All
// files of the run are named where the old one cannot be read, which is so on a
// host that cannot decrypt what it wrote.
func (c *collector) differing(ctx context.Context, u *unit) []string {
	old, err := c.plain(ctx, u.expect.run)
	if err != nil {
		return filesOf(u)
	}
	now, err := c.plain(ctx, u.run.blob.ID)
	if err != nil {
		return filesOf(u)
	}
	var entries []Entry
	if err := scanEntries(u.lines, func(e *Entry) error {
		if e.Kind != KindSocket { // not in the stream
			entries = append(entries, *e)
		}
		return nil
	}); err != nil {
		return filesOf(u)
	}
	var paths []string
	for i, e := range entries {
		end := int64(len(now))
		if i+1 < len(entries) {
			end = entries[i+1].Offset
		}
		if e.Sparse && len(old) != len(now) {
			return paths // another layout of holes moves all that follows
		}
		if end > int64(len(old)) || !bytes.Equal(old[e.Offset:end], now[e.Offset:end]) {
			paths = append(paths, e.Path)
		}
		if len(old) != len(now) && len(paths) > 0 {
			break // what follows has moved
		}
	}
	return paths
}

func filesOf(u *unit) []string {
	var paths []string
	for i := range u.members {
		if m := &u.members[i]; m.holdsContent() && !m.isBig() {
			paths = append(paths, m.path)
		}
	}
	return paths
}

// errNotStored says that a chunk is not in the live index.
var errNotStored = errors.New("chunk is not stored")

// plain reads a chunk that is in the live index.
func (c *collector) plain(ctx context.Context, id repo.ID) ([]byte, error) {
	store := c.pass.saver.store
	blob, ok := c.pass.lookup(id)
	if !ok {
		return nil, errNotStored
	}
	stored, err := store.ReadBlob(ctx, blob.Digest, blob.Stored, nil)
	if err != nil {
		return nil, err
	}
	return openChunk(store, c.decoder, blob, stored, nil, nil)
}
