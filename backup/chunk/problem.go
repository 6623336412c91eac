package chunk

// A Problem is a file that the stream does not hold as it was.
type Problem struct {
	Path   string      `json:"path"`
	Kind   ProblemKind `json:"kind"`
	Reason string      `json:"reason,omitempty"`
}

// ProblemKind says what happened to a file.
type ProblemKind string

// The kinds of problems.
const (
	// Changed: the file was written while it was read, each time it was tried.
	// The stream holds what was read, with the right length.
	Changed ProblemKind = "changed"
	// Vanished: the walk saw it and the reader did not, or found something that
	// is no regular file any more. The stream does not hold it.
	Vanished ProblemKind = "vanished"
	// Unreadable: the kernel gave an error. The stream does not hold it.
	Unreadable ProblemKind = "unreadable"
	// Silent: the content is another than in the last run, though size, times
	// and inode are the same. The stream holds what was read.
	Silent ProblemKind = "silent"
	// Socket: named in the catalog only. Not a failure.
	Socket ProblemKind = "socket"
)

// Harmless tells whether a snapshot with this problem is still complete.
func (p Problem) Harmless() bool { return p.Kind == Socket }
