package archive

// What a stream may make this package hold in memory or do.
const (
	maxManifest  = 4 << 20  // one manifest or index, as registries have it
	maxConfig    = 8 << 20  // one image config, and docker's own manifest.json
	maxMetadata  = 64 << 20 // all JSON documents of a stream
	maxSmall     = 64 << 10 // a JSON document held though it lists nothing
	maxEntries   = 200_000  // entries of an archive
	maxNodes     = 10_000   // manifests below one image
	maxDepth     = 4        // indexes inside indexes
	maxLinks     = 8        // symlinks behind each other
	maxLayer     = 1 << 42  // uncompressed bytes of a compressed layer
	maxWindow    = 128 << 20
	maxPadding   = 1 << 20 // zeros after the end of an archive
	maxErrorText = 4 << 10 // kept of the stream's end to find an error in
)
