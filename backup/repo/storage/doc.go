// Package storage is where a repository's files are: a folder, a bucket of an S3
// server, a folder of an SFTP server. It knows names and bytes, not what they mean.
//
// # Words
//
// A name is a path below the repository, with slashes: davit/config.json. A blob is a
// file of the blob folder (BlobFolder); it is written by WriteBlob, or through a Temp, whose bytes
// nobody sees before Publish, and is durable after Sync. All other files are small or rare and are durable
// when Put returns. A claim is a file that shows that its writer lives, a lock keeps others out.
//
// # Guarantees
//
//   - Whoever reads sees a file whole, as one Put or Publish left it, or not at all. Only a blob
//     that was not yet synced may be there in part.
//   - What was put, published or removed every later Get, Stat and List of every
//     process sees (an S3 server that does not promise this Prepare refuses).
//   - Times are those of the server's clock, never of the client's.
//   - Names that begin with a dot are never listed: half-written files.
//   - Methods may be called concurrently. What is absent is fs.ErrNotExist.
//
// # Locks without a server's help
//
// A folder has flock, which goes away with the process. A server has none: there
// a lock is a folder of tickets. Who wants it puts a ticket and lists the folder; if there is
// another living ticket he takes his own back and tries again later. Since each puts before he
// lists, of two at least one sees the other. A ticket is put again every minute and
// counts as dead after an hour by the server's clock; its holder stops working when
// it could not put it for ten minutes, by a clock that does not stop with the machine.
package storage
