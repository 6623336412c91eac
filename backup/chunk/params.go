package chunk

// Params are the numbers that decide where a stream is cut. They are fixed when
// a repository is made, since two values would store the same data twice.
type Params struct {
	// RunTarget is the aimed plain size of a run of small files, in bytes.
	RunTarget int64
	// MinChunk, AvgChunk and MaxChunk bound the chunks of big files, in bytes.
	// AvgChunk is a power of two.
	MinChunk, AvgChunk, MaxChunk int
}

// DefaultParams are those of repository format 1.
func DefaultParams() Params {
	return Params{RunTarget: 256 << 10, MinChunk: 1 << 20, AvgChunk: 4 << 20, MaxChunk: 16 << 20}
}

const (
	// bigFile is the size from which a file's content is cut inside the file.
	bigFile = 1 << 20
	// maxRunEntries ends a run that holds many empty files.
	maxRunEntries = 4096
	// headerWeight is what an entry costs beside its content: a PAX header
	// block, a block of records and the ustar block.
	headerWeight = 1536
	// bigHeaderRun is the run size from which the header of a big file begins
	// a run of its own, so that a growing log does not rewrite its neighbours.
	bigHeaderRun = 64 << 10

	// minPartLayers and maxPartLayers bound the layers of a part; 450 stays
	// below the 500 that some registries accept.
	minPartLayers = 64
	maxPartLayers = 450
	// partMask ends a part, on average, 128 layers after the minimum.
	partMask = 127
)
