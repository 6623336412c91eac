// Package repo is the repository: a folder that holds snapshots, and is an OCI
// image layout 1.0. It knows nothing of file trees or engines: it stores blobs,
// makes snapshots of them, and finds both again.
//
// # Words
//
// A blob is a file named by the SHA-256 digest of its bytes. A chunk is a blob
// that holds an encoding (a zstd frame) of some content; the content's own
// SHA-256 is its id, and deduplication asks for ids. A raw blob is stored as it
// is: a manifest, a catalog, an image layer; its id is its digest. A snapshot is
// one run's complete, immutable result and consists of items: a volume, a
// folder, an image, a definition. A part is a manifest of up to 450 chunks.
//
// # Guarantees
//
//   - A run that is cut at any point leaves the repository valid, and what it
//     wrote up to its last Sync is used by the next.
//   - A ref is written only after everything below it is durable.
//   - Several processes and hosts may write at the same time. The write lock
//     covers index.json and the merging of index files, nothing else.
//   - Whatever is read is bounded and checked against its digest: what a hostile
//     or damaged repository yields is an error, a *DamagedError where a blob is
//     to blame.
//   - Folders have mode 0700, files 0600.
//
// # Format 1
//
// JSON documents are UTF-8; times are RFC 3339 in UTC; hexadecimal digits are
// lower case.
//
//	oci-layout, index.json          OCI image layout 1.0
//	blobs/sha256/<digest>           all blobs
//	davit/config.json               the parameters below; written last by Init
//	davit/refs/<snapshot>.json      one for each snapshot: what exists
//	davit/index/<run>-<n>.idx       id -> blob
//	davit/init/<name>               on a server, while the repository is made
//	davit/sessions/<uuid>.json      who is writing
//	davit/locks/write.lock          flock'ed by its holder, who writes his host, pid and since
//	davit/locks/gc.lock             the same for those who remove blobs
//	davit/gc/<number>/              one removal of blobs, see below
//	davit/tombstones/<snapshot>.json  what was forgotten
//	davit/forgotten.json            what was forgotten long ago
//	davit/keys/<id>.age             of an encrypted repository: its key, for one holder
//	davit/keys/<id>.json            what is told of that: {version, id, name, added, host, wrapped}, the last the SHA-256 of the .age
//
// Names that begin with a dot are temporary files. A temporary blob is called
// .tmp-<session>-<n> and belongs to that session. Small blobs have no temporary file: a blob
// that no index file names may be cut short, and is written anew by who needs it.
//
// The config is {version, id, chunker: {runTarget, cdcMin, cdcAvg, cdcMax}} and, of an
// encrypted repository, encryption: {recipient, authority}. A
// reader refuses a version it does not know, and in version 1 a key it does
// not know. The id is 32 random digits; the lengths are in bytes.
//
// Refs, tombstones, the list of the forgotten, sessions, attestations and what is told of keys end in a key "check": the SHA-256 of all that
// is before it in the file, from the first byte to before the comma. Where there is one it must be right; files of
// before have none.
//
// A ref is {version, id, host, job, time, digest, size, sequence, previous,
// gcSeen, config}; config is the SHA-256 of the config without its newline, which verify compares. Its id is the snapshot's, 16 random digits, and the file's name;
// digest and size are of the snapshot's index blob. The sequence is one more
// than the highest of that host, previous the id of the snapshot that had it.
// Readers leave keys alone that they do not know.
//
// A tombstone is {version, id, time, host, ref}: when and by whom the snapshot
// was forgotten, and the ref as it was. Its sequence number is not used again.
//
// A month after its data is gone a tombstone goes, if it is not that of its host's newest snapshot. What was
// forgotten is then in davit/forgotten.json: {version, snapshots: [{id, host, job, time}]}, oldest first, in an encrypted
// repository with the signature of ["davit forgotten 1", repository id, SHA-256 of that list]. Copies leave
// out what is there. It is written under the gc's lock.
//
// A session is {version, id, host, pid, bootId, time, job, gcSeen}; gcSeen is the
// highest number of a removal that was seen before the session's file was there.
//
// A snapshot is an OCI image index of artifactType
// application/vnd.davit.snapshot.v1 with the annotations davit.snapshot (its
// id), davit.host, davit.time, davit.job, davit.consistency, davit.engine (the
// engine's version), davit.version, davit.complete ("true" or "false") and
// davit.summary.<name>; of these, tags are the snapshot's tags, separated by spaces, which
// anybody can read, also in an encrypted repository. Its manifests are the items, each annotated with
// davit.kind, davit.name and org.opencontainers.image.ref.name, which is
// <kind>/<name>. A byte of a name other than a letter, a digit or one of
// -._:@/+ is written as % and two upper-case hexadecimal digits. An image may
// have davit.tags, its tags separated by spaces.
//
// A copy of a snapshot in another repository has its id, and the summary's origin is
// REPOSITORY/SNAPSHOT, the ids of the first repository and snapshot. It is a snapshot
// as any other: its host's next sequence number in that repository.
//
// An item that is a file tree is an OCI image index of artifactType
// application/vnd.davit.tree.v1, whose manifests are the parts in order. An index
// of more than 4,000 descriptors, or of more than 3 MiB of them, is cut into
// indexes of artifactType application/vnd.davit.nested.v1, up to four levels in all;
// all parts are equally deep.
//
// A part is an OCI image manifest of artifactType
// application/vnd.davit.part.v1. Its config, of type
// application/vnd.davit.catalog.v1+ndjson+zstd, is the list of the files in it.
// Its layers, of type application/vnd.oci.image.layer.v1.tar+zstd, are the
// chunks, annotated with davit.id and davit.len: the id and the length of the
// plain content. All chunks of all parts in order, each an independent zstd
// frame, are one .tar.zst.
//
// An item that is an image is the image's own manifest or index.
//
// An index file has a header of 32 bytes ("davitidx", version 1 and record
// length 80 as 4 bytes each, a sequence number of 8 bytes that is higher in later
// files, 8 zero bytes), then records in strictly ascending order (id 32 bytes,
// digest 32, plain length 8, stored length 8), then the SHA-256 of all before
// it. Numbers are big-endian. Records of several files, and of one id, add up. A
// blob exists only if a record says so: a file that none does may be what a
// power cut left, and is written again. All records can be had from the
// manifests, and a damaged index file costs time, not data.
//
// index.json is regenerated from the refs after each commit and is never read
// here. Its names are unique: <snapshot>, <snapshot>/<kind>/<name>, and
// <kind>/<name> for the newest complete snapshot that holds the item (where
// none is complete, the newest), and an image's tags likewise.
//
// # Encryption
//
// An encrypted repository has a key: an age X25519 identity, whose recipient is in
// the config. The key is a file as age-keygen makes it, encrypted by age for each
// holder. What is encrypted is an age file of that one recipient. Three keys are made
// of the identity's text by HKDF-SHA256, salt the repository's id, info "davit ids 1",
// "davit authority 1" and, of the first, "davit chunker 1": the key of ids, the seed
// of an ed25519 key whose public half the config has, and the seed of the table by
// which big files are cut.
//
// Encrypted are chunks (the zstd frame), catalogs, and all that an image or a
// definition consists of; and what a snapshot's items are called. The index of a
// snapshot and of a tree, and the parts, stay readable, with nothing in them but
// digests, ids and lengths: so a host can remove what nobody needs, and find what is
// stored, without being able to decrypt. An id is HMAC-SHA256 by the key of ids over
// the SHA-256 of the plain bytes; before which comes "raw" for what is stored as it
// is and not as a frame.
//
// A snapshot's index has as its first child the root document, of type
// application/vnd.davit.root.v1+json+age: {version, snapshot, items: [{name, digest,
// annotations}], annotations}. The other children are the items in that order, without
// annotations. index.json has only the snapshots' ids as names.
//
// An item that is an image or a definition is a manifest of artifactType
// application/vnd.davit.sealed.v1. Its layers are its blobs, with davit.id and
// davit.len; its config is the table, of type application/vnd.davit.table.v1+json+age:
// {version, item, blobs: [{digest, raw}]}. item is the descriptor it would have in a clear
// repository, blobs tell by which digest its documents name each layer: that of the
// plain bytes when raw is true, else that of the layer itself.
//
// A ref has a signature {host, key, certificate, value}: value signs, by ed25519, the
// JSON list ["davit ref 1", repository id, id, host, job, time, digest, size, sequence,
// previous, gcSeen] of strings, as Go's encoding/json writes it; certificate is the
// authority's signature of ["davit host 1", repository id, host, key]. A tombstone is
// signed likewise: ["davit tombstone 1", repository id, id, host, time, SHA-256 of the
// list that the ref signed].
//
// A host that writes has a file with the repository's id, recipient, authority and
// chunker, the key of ids, and its own signing key with the certificate (HostKey).
// It believes this file and not the repository: a config with another recipient is
// refused. What an index file says of a chunk it believes only when one of its own
// snapshots, an index file of its own or an attested snapshot says the same. Who copies
// a snapshot into the repository signs it in the name of its host: with that host's key, or
// as the authority, with a key that it certifies for the host and forgets. Who decrypts
// a chunk checks its id. davit/attested/<snapshot>.json is {version, id, digest, time,
// signature}: the authority's signature of ["davit attested 1", repository id, id,
// digest, time].
//
// A clear repository signs nothing. There is no authority in it that could vouch for a host's key, and a key
// that is believed when it is first seen proves nothing where it matters: a machine that is new, as after the
// loss of a host, would believe the forger's; and a host that was set up anew, or whose snapshots
// another copies, would count as one. What a clear repository has is checks of what a disk does, not of what people do.
//
// Who can read the storage sees hosts, jobs and times, the number of files and bytes of
// each snapshot, lengths, order and number of chunks, which of them repeat and
// change, and who may decrypt. Who holds a host's key can also confirm a guess of a
// chunk's content, and write snapshots in that host's name; he can decrypt nothing.
// Taking away a holder's file does not take away what he could read: he may have
// kept the repository's key, which stays the same.
//
// # The order of a run
//
// Session file; chunks, parts, items, snapshot index; syncfs; index file; ref
// (fsync, rename, fsync of the folder); index.json under the lock, beside the last
// look for removals, and once more if that withdraws the ref. Sync does
// syncfs and the index file every 60 seconds or 512 MiB, so that an interrupted
// run is resumed from there. A blob's file is never replaced by one that is not
// durable.
//
// # Removing blobs
//
// Forgetting a snapshot removes its ref. Blobs are removed by GC, in steps that
// need neither a client's clock nor a lock that backups would wait for. The
// removal has a number, one more than the highest, eight digits as its folder's
// name, and in it, in the order in which they appear: condemned, the digests of
// what no snapshot needs and is older than the grace (an index file, whose ids are
// the digests again); rescue/<uuid>-<n>, what a session needs of these, in the
// same form; sweeping and done, which are empty. Nothing is removed before
// sweeping. Times are the file system's.
//
// A session first has its file, then reads what is condemned and not done: that
// counts as unknown, and what it stores again gets a new name, by a frame that
// zstd decoders skip and that holds 16 random bytes. A document has one name only:
// the session keeps a second link to it, and no index file names it until it is
// rescued. Before the ref, and once more after it, the session looks for removals
// again; of whatever it refers to and they condemn it writes a rescue, and then looks
// for sweeping. If that is there it waits for done, or for the lock of a gc
// that died; what is missing then it puts back, and otherwise there is no snapshot.
//
// GC, after the grace and when no living session has a lower gcSeen: sweeping;
// read the rescues; read the refs again; publish the index without what goes;
// remove it; done. What is named by a manifest that the index still offers does not
// go either. Either the rescue precedes sweeping, and is read, or the
// session sees sweeping. A removal is remembered for 30 days, for sessions that
// counted as dead; one that is 28 days old makes no snapshot any more.
//
// # Restoring without davit
//
// These lines restore a file tree with sh, jq, zstd and GNU tar. They run in
// the repository's folder; $1 is a name of index.json, such as volume/pgdata or
// 0123456789abcdef/volume/pgdata, $2 an existing folder. (RestoreLines has the
// same lines; a test runs them.)
//
//	files() { tr : / | sed 's,^,blobs/,'; }
//	list=$(jq -er --arg name "$1" '.manifests[] |
//		select(.annotations["org.opencontainers.image.ref.name"] == $name) | .digest' index.json) || exit
//	until
//		list=$(echo "$list" | files)
//		below=$(echo "$list" | xargs jq -r '.manifests[]?.digest') || exit
//		[ -z "$below" ]
//	do
//		list=$below
//	done
//	chunks=$(echo "$list" | xargs jq -r '.layers[].digest') || exit
//	chunks=$(echo "$chunks" | files)
//	echo "$chunks" | xargs ls > /dev/null || exit
//	echo "$chunks" | xargs cat | zstd -dqc |
//		tar -x -p --numeric-owner --same-owner --acls --xattrs --xattrs-include='*' -C "$2" -f -
//
// From an encrypted repository these do, with the age command (EncryptedRestoreLines
// has the same lines; a test runs them); $1 is a snapshot's id, $2 the name of an item, such
// as volume/pgdata, $3 an existing folder, $4 a file with an age identity:
//
//	files() { tr : / | sed 's,^,blobs/,'; }
//	key=$(mktemp) && trap 'rm -f "$key"' EXIT || exit
//	for wrapped in davit/keys/*.age; do
//		age -d -i "$4" "$wrapped" > "$key" 2> /dev/null && break
//	done
//	[ -s "$key" ] || { echo "$4 opens none of davit/keys" >&2; exit 1; }
//	root=$(jq -er --arg name "$1" '.manifests[] |
//		select(.annotations["org.opencontainers.image.ref.name"] == $name) | .digest' index.json) || exit
//	until
//		root=$(echo "$root" | files)
//		below=$(jq -er '.manifests[0].digest' "$root" 2> /dev/null) || below=
//		[ -z "$below" ]
//	do
//		root=$below
//	done
//	list=$(age -d -i "$key" "$root" | jq -er --arg name "$2" '.items[] | select(.name == $name) | .digest') || exit
//	until
//		list=$(echo "$list" | files)
//		below=$(echo "$list" | xargs jq -r '.manifests[]?.digest') || exit
//		[ -z "$below" ]
//	do
//		list=$below
//	done
//	chunks=$(echo "$list" | xargs jq -r '.layers[].digest') || exit
//	chunks=$(echo "$chunks" | files)
//	echo "$chunks" | xargs ls > /dev/null || exit
//	echo "$chunks" | while read -r chunk; do age -d -i "$key" "$chunk" || { : > "$key"; exit 1; }; done | zstd -dqc |
//		tar -x -p --numeric-owner --same-owner --acls --xattrs --xattrs-include='*' -C "$3" -f - && [ -s "$key" ]
//
// An image of a clear repository is read in place: skopeo copy oci:REPO:NAME docker-daemon:NAME. That
// every blob is what its name says, this checks:
//
//	cd blobs/sha256 && ls | sed 's/.*/&  &/' | sha256sum -c --quiet
package repo
