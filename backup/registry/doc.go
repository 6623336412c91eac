// Package registry keeps snapshots in an OCI registry, and reads them from there.
//
// # What is where
//
// A place is oci://HOST[:PORT]/NAME, one repository of a registry; it holds snapshots of one davit repository. The
// stored bytes are pushed as they are: what is encrypted stays so, and needs no key to be pushed.
//
//	<snapshot>          an OCI index: the card, then every manifest of the snapshot
//	card-<snapshot>     the card: an OCI manifest of artifactType application/vnd.davit.card.v1
//	part-<digest>       each manifest: parts, images, definitions, sealed items
//	<name>, <snapshot>-<name>
//	                    images of a clear repository, for docker pull; name is the image's, with - for / and :
//
// The card's config is JSON, {version, files}: the files beside the blobs that a reader needs, by their names in a
// repository, in base64 (package repo, Attached). Its layers are the indexes of the snapshot and what
// these name that is no manifest: registries accept an index only when all that it names is a manifest that they have.
//
// Every manifest has a tag of its own, since there are registries whose garbage collection does not look into
// indexes. The order is: blobs, manifests, card, index. So a push that is cut leaves nothing that names what is
// missing, and goes on when it is made again.
package registry
