package diskscan

import (
	"sync"
	"sync/atomic"

	"davit/engine/hostfs"
)

// tally is the running sum of an owner, a folder or a type. Workers add to it at the end of a run of files, not for
// each of them.
type tally struct {
	owner    Owner
	key      string
	number   uint32 // in a tree
	numbered bool

	bytes, apparent, inodes atomic.Int64
	sample                  atomic.Pointer[string] // a path
}

func (t *tally) add(u Usage) {
	if t == nil || u == (Usage{}) {
		return
	}
	t.bytes.Add(u.Bytes)
	t.apparent.Add(u.Apparent)
	t.inodes.Add(u.Inodes)
}

func (t *tally) usage() Usage {
	return Usage{Bytes: t.bytes.Load(), Apparent: t.apparent.Load(), Inodes: t.inodes.Load()}
}

// seenAt notes a place of the owner; of several, the one that sorts first counts.
func (t *tally) seenAt(path string) {
	for {
		known := t.sample.Load()
		if known != nil && *known <= path || t.sample.CompareAndSwap(known, &path) {
			return
		}
	}
}

// result is the owner with a place where its bytes are, and what it has.
func (t *tally) result() (Owner, Usage) {
	owner := t.owner
	if path := t.sample.Load(); path != nil && owner.Path == "" {
		owner.Path = *path
	}
	return owner, t.usage()
}

// usageOf is what one entry takes.
func usageOf(st *hostfs.Stat) Usage {
	return Usage{Bytes: st.Blocks * 512, Apparent: st.Size, Inodes: 1}
}

// linkShards keeps workers from waiting for each other.
const linkShards = 64

// links knows the files with several links of which some have been seen and some not.
type links [linkShards]struct {
	sync.Mutex
	seen map[inode]*seenLink
}

type inode struct{ dev, ino uint64 }

type seenLink struct {
	left   uint32 // links that were not yet seen
	owner  *tally
	folder *folderSum
}

// first reports whether this is the first sight of a file. On a later one, the file goes over to the owner and folder
// that sort first, so that the answer does not depend on who was quicker.
func (l *links) first(st *hostfs.Stat, at *spot) bool {
	id := inode{st.Dev, st.Ino}
	shard := &l[(st.Ino^st.Dev)%linkShards]
	shard.Lock()
	defer shard.Unlock()
	s := shard.seen[id]
	if s == nil {
		if shard.seen == nil {
			shard.seen = map[inode]*seenLink{}
		}
		shard.seen[id] = &seenLink{left: st.Nlink - 1, owner: at.owner, folder: at.folder}
		return true
	}
	s.move(st, at)
	if s.left--; s.left == 0 {
		delete(shard.seen, id)
	}
	return false
}

// move gives the file to at, if that sorts before where it is now.
func (s *seenLink) move(st *hostfs.Stat, at *spot) {
	u := usageOf(st)
	if at.owner != s.owner && at.owner.key < s.owner.key {
		s.owner.add(Usage{}.minus(u))
		at.owner.add(u)
		s.owner = at.owner
	}
	if at.folder != s.folder && at.folder.before(s.folder) {
		s.folder.sum().add(Usage{}.minus(u))
		at.folder.sum().add(u)
		s.folder = at.folder
	}
}
