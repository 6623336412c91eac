// Package archive is the way of images between an engine and a repository:
// the engine's save stream becomes OCI blobs, and OCI blobs become a stream
// that the engine loads. It also writes and reads compressed archive files.
//
// # Words
//
// A save stream is the tar that an engine's "save" answers with. Three kinds
// are read: the docker archive of engines 20.10 to 24 (layers named
// ID/layer.tar, some of them symlinks to others), the mixed layout of engines
// from 25 (an OCI layout with manifest.json beside index.json), and the OCI
// layout of the containerd image store (blobs as they were pulled). Archives
// that other tools make in these forms are read as well.
//
// The store kind says how an engine keeps images: [Graph] (storage drivers
// such as overlay2; the image id is the digest of the config) or [Containerd]
// (the image id is the digest of the manifest or index).
//
// The diff id of a layer is the SHA-256 of its uncompressed tar. It is the
// layer's id in the repository, so one layer is stored once, whichever image
// brings it.
//
// # What an item looks like
//
// An image of a graph store is an OCI image manifest: the config byte for
// byte, and one application/vnd.oci.image.layer.v1.tar+zstd layer per diff id
// with the annotations davit.id (diff id, hex) and davit.len (uncompressed
// length).
//
// An image of a containerd store is its own manifest or index byte for byte,
// with its original blobs. Where one of its layers is not compressed, that
// layer is stored as zstd like any other, and the item becomes an index that
// holds the image in its stored form for others to read, then the original
// manifests with the media type [MediaTypeOriginal], from which the image
// comes back with its id; the annotation [AnnotationOriginal] names the
// topmost of them.
//
// # Guarantees
//
// Import reads the stream once, keeps no layer in memory, and writes nothing
// outside the repository. An image is in the result only if its config was
// found, every layer was found, each layer's uncompressed digest is the one
// the config names, and the archive was read to its end: two zero blocks and
// nothing behind them but zeros. A stream that is cut short, or to which the
// engine appended an error, is an error with the engine's text.
//
// Export checks the digest of every blob while it is sent, the uncompressed
// ones too. A damaged blob ends the stream with an error before the archive is
// complete, so that the engine refuses it.
//
// Within one store kind an image keeps its id. From one kind to the other it
// gets a new one: that is how the engines name images.
//
// Everything read from a stream or a file is hostile: sizes of JSON documents,
// their number and nesting, decoder windows and output are bounded, names must
// stay inside the archive, entries that are neither files nor links are
// passed over.
package archive
