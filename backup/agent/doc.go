// Package agent reads and writes file trees of another machine: davit runs itself there, in a helper container, and
// the two speak over the container's standard input and output.
//
// # Words
//
//   - agent: the davit in the container, [Serve]. It holds nothing and decides nothing; when its input ends, it ends.
//   - client: the davit that was started by the user, [Client].
//   - far tree: a folder of the agent's, a [Tree] to the client, which saves it as it would a folder of its own.
//   - frame: one question or answer: its length, kind and number, and its body, which may be one zstd frame.
//
// # What is spoken
//
// Both sides ask and answer, any number at a time. To save a tree the client walks it in batches of entries, decides with
// its own cache what has to be read, and fetches that: small files many at a time and ahead of the worker that wants them,
// big ones by blocks. Chunks, ids, keys and the repository stay with the client. To restore a tree the agent runs
// chunk.Restore and asks the client for blobs; these leave the client decrypted and checked, and only those that the
// item being restored names.
//
// # Guarantees
//
// The client believes the agent nothing that it would not believe a container's files: names are single components,
// entries come in the order of a walk, frames are bounded before they are read, and an agent that breaks this ends the item.
// All waiting ends with its context. Errors of single files carry their errno.
package agent
