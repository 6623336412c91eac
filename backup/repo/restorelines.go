package repo

// RestoreLines are shell lines that restore a file tree from an unencrypted
// repository without davit: with sh, jq, zstd and GNU tar. They run in the
// repository's folder; $1 is a name of index.json, such as volume/pgdata or
// 0123456789abcdef/volume/pgdata, $2 an existing folder. Owners and devices
// need root.
const RestoreLines = `file() { echo "blobs/$1" | tr : /; }
chunks() {
	rows=$(jq -r '(.manifests[]? | "below " + .digest), (.layers[]? | "chunk " + .digest)' "$(file "$1")") || return
	echo "$rows" | while read -r what digest; do
		case $what in
		below) chunks "$digest" || exit ;;
		chunk) file "$digest" ;;
		esac
	done
}
item=$(jq -er --arg name "$1" '.manifests[] |
	select(.annotations["org.opencontainers.image.ref.name"] == $name) | .digest' index.json) || exit
list=$(chunks "$item") && echo "$list" | xargs ls > /dev/null || exit
echo "$list" | xargs cat | zstd -dqc |
	tar -x -p --numeric-owner --same-owner --acls --xattrs --xattrs-include='*' -C "$2" -f -
`
