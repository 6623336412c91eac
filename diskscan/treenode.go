package diskscan

import (
	"math"
	"time"
)

// Node is one file or folder of a tree.
type Node struct {
	tree *Tree
	id   nodeID
}

// IsFolder says whether there may be something in it.
func (n Node) IsFolder() bool { return n.tree.node(n.id).owner&isFolderBit != 0 }

// Name is the last part of the path; of a root, the path.
func (n Node) Name() string { return n.tree.arenas[n.id>>indexBits].nameAt(n.tree.node(n.id).name) }

// Path is where it is.
func (n Node) Path() string {
	above, ok := n.Parent()
	if !ok {
		return n.Name()
	}
	return joinPath(above.Path(), n.Name())
}

// Parent is the folder it is in; none for a root.
func (n Node) Parent() (Node, bool) {
	id := n.tree.node(n.id).parent
	return Node{n.tree, id}, id != 0
}

// Usage is what it takes, with all that is below it; apparent bytes are not known. A file with several links counts
// where the first of them was found.
func (n Node) Usage() Usage {
	if n.IsFolder() {
		f := n.tree.folder(n.id)
		return Usage{Bytes: f.bytes, Inodes: int64(f.inodes)}
	}
	blocks := int64(n.tree.node(n.id).blocks)
	if blocks == math.MaxUint32 {
		blocks = n.tree.arenas[n.id>>indexBits].huge[n.id]
	}
	return Usage{Bytes: blocks * 512, Inodes: 1}
}

// Modified is when it was, to the second; from 1970 to 2106.
func (n Node) Modified() time.Time { return time.Unix(int64(n.tree.node(n.id).modified), 0) }

// Owner is whom it belongs to. Its usage is not set.
func (n Node) Owner() Owner { return n.tree.owners[n.tree.node(n.id).owner&^isFolderBit].owner }

// Children are the entries of a folder, in no order.
func (n Node) Children() (all []Node) {
	if !n.IsFolder() {
		return nil
	}
	for id := n.tree.folder(n.id).first; id != 0; id = n.tree.node(id).next {
		all = append(all, Node{n.tree, id})
	}
	return all
}
