package chunk

// CompareOptions say what is compared with a tree; they have the meaning of RestoreOptions.
type CompareOptions struct {
	Path     string
	Workers  int
	Progress Progress
}

// Difference is an entry on disk that is not what the snapshot holds.
type Difference struct {
	Path string // below the folder that is compared
	What string // in a few words
}

// CompareResult is what a comparison went over, and what it found.
type CompareResult struct {
	Entries, Files, Bytes int64
	Chunks                int64        // read, each with its id checked
	Differences           []Difference // by path, at most maxDifferences
	More                  int          // further ones
}
