#!/bin/bash
# install.sh install|uninstall - put davit where a system looks for it, or remove it again.
#
# Installed are ./davit (or $BINARY) and what `make dist-files` has written to dist: manual
# pages, completions, a configuration to begin with, and the units of scripts/systemd.
# DESTDIR goes before every path; PREFIX (/usr/local), SYSCONFDIR (/etc), UNITDIR
# (PREFIX/lib/systemd/system) and ZSHDIR (PREFIX/share/zsh/site-functions) choose them.
# The configuration of a host, repositories and state are never touched.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${PREFIX:-/usr/local}
sysconfdir=${SYSCONFDIR:-/etc}
unitdir=${UNITDIR:-$prefix/lib/systemd/system}
zshdir=${ZSHDIR:-$prefix/share/zsh/site-functions}
to=${DESTDIR:-}

# files lists what is installed: mode, source, destination.
files() {
	local f
	printf '0755\t%s\t%s\n' "${BINARY:-davit}" "$prefix/bin/davit"
	for f in dist/man/davit*.1; do printf '0644\t%s\t%s\n' "$f" "$prefix/share/man/man1/${f##*/}"; done
	printf '0644\t%s\t%s\n' dist/completion/bash "$prefix/share/bash-completion/completions/davit" \
		dist/completion/zsh "$zshdir/_davit" \
		dist/completion/fish "$prefix/share/fish/vendor_completions.d/davit.fish" \
		dist/config.yaml "$sysconfdir/davit/config.example.yaml"
	for f in scripts/systemd/*; do printf '0644\t%s\t%s\n' "$f" "$unitdir/${f##*/}"; done
}

put() { # MODE SOURCE DESTINATION
	case $2 in
		scripts/systemd/*) sed "s|@BINDIR@|$prefix/bin|g" "$2" | install -D -m "$1" /dev/stdin "$to$3" ;;
		*) install -D -m "$1" "$2" "$to$3" ;;
	esac
}

# Folders of davit's own go when they are empty; those of the system stay.
remove_all() {
	local destination
	while IFS=$'\t' read -r _ _ destination; do rm -f "$to$destination"; done < <(files)
	rm -f "$to$prefix"/share/man/man1/davit{,-*}.1 # without dist/man they are in no list
	rmdir "$to$sysconfdir/davit" 2> /dev/null || true
	echo "removed davit; repositories, /etc/davit/config.yaml, /var/lib/davit and /var/cache/davit are as they were" >&2
}

case ${1:-} in
	install)
		while IFS=$'\t' read -r mode source destination; do put "$mode" "$source" "$destination"; done < <(files)
		;;
	uninstall) remove_all ;;
	*)
		sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
		exit 2
		;;
esac
