// Package engine is the Docker Engine as davit's subsystems see it: one connection, found
// as docker finds it, and the engine's containers, volumes, images and networks as small
// values of our own. No other package imports docker's client, so a change of the client
// or of the engine's API ends here.
//
// # Words
//
//   - endpoint: the address of an engine, such as unix:///var/run/docker.sock.
//   - local: the engine's file system is the one this process sees. Only then may a path
//     that the engine names (a mount point, the data-root) be opened. [Engine.Local]
//     decides it by proof, not by the look of the address.
//   - raw: the engine's own JSON document, byte for byte as it was received. It is what a
//     backup keeps, because fields that this package does not know survive in it.
//   - graph driver, containerd store: the two ways an engine keeps images. An image id is
//     the digest of the config with the first, and of the manifest or index with the
//     second.
//
// # Guarantees
//
// All methods of [Engine] may be called from several goroutines; each ends when its
// context does. Lists are taken as they are at the time: what vanishes between the list
// and its inspection is left out, and is no error. Everything else that fails is an
// error; [IsNotFound] and [IsConflict] tell the two kinds callers act on. Errors to reach
// the engine are [*UnreachableError], with the reason and, where there is one, a way out.
//
// The package decides nothing: it stops, creates and removes exactly what it is told to.
package engine
