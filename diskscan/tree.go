package diskscan

import (
	"math"
	"slices"
	"strings"

	"davit/engine/hostfs"
)

// Tree is every file and folder of a scan, to look around in. It holds 24 bytes and the name for each of them, without
// pointers, so that a million files fit into 64 MB.
type Tree struct {
	arenas [64]arena // one for each worker
	roots  []Node
	owners []*tally
}

// nodeID is a worker's number (6 bits) and the number in its arena (26 bits, from 1); 0 is none.
type nodeID uint32

const (
	indexBits = 26
	maxNodes  = 1<<indexBits - 1 // of one worker; what is more is not in the tree
)

// treeNode is one entry. Fields of folders are in their folderNode.
type treeNode struct {
	parent, next nodeID
	name         uint32 // where in names: chunk and offset
	owner        uint32 // number, and the bit isFolderBit
	blocks       uint32 // number of the folderNode for a folder; math.MaxUint32: see huge
	modified     uint32 // seconds since 1970
}

const isFolderBit = 1 << 31

// folderNode is what a folder has more than a file. At the end of the scan it is about all that is below it.
type folderNode struct {
	first  nodeID
	inodes uint32
	bytes  int64
}

const (
	nodeChunk = 1 << 12
	nameChunk = 1 << 16
)

// arena holds what one worker has seen, in pieces, so that nothing is copied when it grows.
type arena struct {
	nodes   [][]treeNode
	names   [][]byte // each name after its length
	folders []folderNode
	huge    map[nodeID]int64 // blocks of files beyond 2 TiB
	n       uint32
}

// add keeps an entry of the folder parent. A file that was counted before has no bytes.
func (t *Tree) add(worker int, parent nodeID, e *hostfs.Entry, name string, owner *tally, u Usage) nodeID {
	a := &t.arenas[worker]
	if a.n >= maxNodes {
		return 0
	}
	a.n++
	id := nodeID(worker)<<indexBits | nodeID(a.n)
	if int(a.n)/nodeChunk == len(a.nodes) {
		a.nodes = append(a.nodes, make([]treeNode, nodeChunk))
	}
	n := a.at(id)
	*n = treeNode{parent: parent, name: a.keepName(name), owner: owner.number, modified: seconds(e.Mtime)}
	switch blocks := u.Bytes / 512; {
	case e.IsDir():
		n.owner |= isFolderBit
		n.blocks = uint32(len(a.folders))
		a.folders = append(a.folders, folderNode{inodes: 1, bytes: u.Bytes})
	case blocks < math.MaxUint32:
		n.blocks = uint32(blocks)
	default:
		if a.huge == nil {
			a.huge = map[nodeID]int64{}
		}
		n.blocks, a.huge[id] = math.MaxUint32, blocks
	}
	return id
}

func seconds(t hostfs.Timespec) uint32 { return uint32(max(0, min(t.Sec, math.MaxUint32))) }

func (a *arena) at(id nodeID) *treeNode {
	i := uint32(id) & maxNodes
	return &a.nodes[i/nodeChunk][i%nodeChunk]
}

// keepName copies a name; of one that no file system has, as the path of a root may be, the end.
func (a *arena) keepName(name string) uint32 {
	name = name[max(0, len(name)-math.MaxUint8):]
	last := len(a.names) - 1
	if last < 0 || len(a.names[last])+1+len(name) > nameChunk {
		a.names = append(a.names, make([]byte, 0, nameChunk))
		last++
	}
	at := uint32(last)*nameChunk + uint32(len(a.names[last]))
	a.names[last] = append(append(a.names[last], byte(len(name))), name...)
	return at
}

func (a *arena) nameAt(at uint32) string {
	chunk := a.names[at/nameChunk][at%nameChunk:]
	return string(chunk[1 : 1+int(chunk[0])])
}

func (t *Tree) node(id nodeID) *treeNode { return t.arenas[id>>indexBits].at(id) }

func (t *Tree) folder(id nodeID) *folderNode {
	return &t.arenas[id>>indexBits].folders[t.node(id).blocks]
}

// number gives the owners numbers, before anything is added.
func (t *Tree) number(tallies map[string]*tally) {
	for _, owner := range tallies {
		if !owner.numbered {
			owner.number, owner.numbered = uint32(len(t.owners)), true
			t.owners = append(t.owners, owner)
		}
	}
}

// finish puts every entry below its folder and adds up. The scan is over.
func (t *Tree) finish() {
	for w := range t.arenas {
		for i := uint32(1); i <= t.arenas[w].n; i++ {
			id := nodeID(w)<<indexBits | nodeID(i)
			n := t.node(id)
			if n.parent == 0 {
				t.roots = append(t.roots, Node{t, id})
				continue
			}
			above := t.folder(n.parent)
			n.next, above.first = above.first, id
		}
	}
	for _, root := range t.roots {
		t.addUp(root.id)
	}
	slices.SortFunc(t.roots, func(a, b Node) int { return strings.Compare(a.Path(), b.Path()) })
}

// addUp adds what is in each folder to it, the deepest first. It goes along the links and needs no memory.
func (t *Tree) addUp(root nodeID) {
	for id := root; ; {
		if n := (Node{t, id}); n.IsFolder() && t.folder(id).first != 0 {
			id = t.folder(id).first
			continue
		}
		for {
			if id == root {
				return
			}
			n, above := t.node(id), t.folder(t.node(id).parent)
			u := (Node{t, id}).Usage()
			above.bytes += u.Bytes
			above.inodes += uint32(u.Inodes)
			if n.next != 0 {
				id = n.next
				break
			}
			id = n.parent
		}
	}
}

// Roots are the folders that were scanned.
func (t *Tree) Roots() []Node { return t.roots }

// Places are the topmost entries that belong to an owner.
func (t *Tree) Places(o *Owner) (places []Node) {
	key := o.key()
	mine := make([]bool, len(t.owners))
	for i, owner := range t.owners {
		mine[i] = owner.owner.key() == key
	}
	for w := range t.arenas {
		for i := uint32(1); i <= t.arenas[w].n; i++ {
			id := nodeID(w)<<indexBits | nodeID(i)
			n := t.node(id)
			if mine[n.owner&^isFolderBit] && (n.parent == 0 || !mine[t.node(n.parent).owner&^isFolderBit]) {
				places = append(places, Node{t, id})
			}
		}
	}
	return places
}
