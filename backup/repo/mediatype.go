package repo

// Media types and annotation keys of format 1.
const (
	// MediaTypePart is the artifact type of a part manifest.
	MediaTypePart = "application/vnd.davit.part.v1"
	// MediaTypeCatalog is the config of a part: its segment of the catalog.
	MediaTypeCatalog = "application/vnd.davit.catalog.v1+ndjson+zstd"
	// AnnotationID on a layer is the hex SHA-256 of its plain bytes.
	AnnotationID = "davit.id"
	// AnnotationLen on a layer or catalog is its plain length in bytes.
	AnnotationLen = "davit.len"
)
