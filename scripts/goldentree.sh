#!/bin/bash
# goldentree.sh FOLDER - make the tree that testdata/repository*-v1 hold: one of each kind
# of entry, with fixed times and owners. As root.
set -euo pipefail
umask 022
tree=$1
mkdir -p "$tree/sub/empty"
printf 'golden\n' > "$tree/file"
ln "$tree/file" "$tree/sub/hardlink"
ln -s ../file "$tree/sub/symlink"
mkfifo "$tree/fifo"
mknod "$tree/null" c 1 3
truncate -s 3M "$tree/sparse"
printf 'data' | dd of="$tree/sparse" bs=1 seek=1048576 conv=notrunc status=none
yes golden 2> /dev/null | head -c 1500000 > "$tree/big" || true # head closes the pipe
setfattr -n user.note -v golden "$tree/file"
setfacl -m u:1234:r "$tree/file"
chown -h 1000:1001 "$tree/sub/symlink"
chmod 4751 "$tree/big"
find "$tree" -depth -exec touch -h -d '2001-02-03 04:05:06.789012345 UTC' {} +
