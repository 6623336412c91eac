package repo

// RestoreLines are shell lines that restore a file tree from an unencrypted
// repository without davit: with sh, jq, zstd and GNU tar. They run in the
// repository's folder; $1 is a name of index.json, such as volume/pgdata or
// 0123456789abcdef/volume/pgdata, $2 an existing folder. Owners and devices
// need root.
const RestoreLines = `files() { tr : / | sed 's,^,blobs/,'; }
list=$(jq -er --arg name "$1" '.manifests[] |
	select(.annotations["org.opencontainers.image.ref.name"] == $name) | .digest' index.json) || exit
until
	list=$(echo "$list" | files)
	below=$(echo "$list" | xargs jq -r '.manifests[]?.digest') || exit
	[ -z "$below" ]
do
	list=$below
done
chunks=$(echo "$list" | xargs jq -r '.layers[].digest') || exit
chunks=$(echo "$chunks" | files)
echo "$chunks" | xargs ls > /dev/null || exit
echo "$chunks" | xargs cat | zstd -dqc |
	tar -x -p --numeric-owner --same-owner --acls --xattrs --xattrs-include='*' -C "$2" -f -
`
