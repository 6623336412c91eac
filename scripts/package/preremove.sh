#!/bin/sh
# Before davit goes (not before an upgrade): what a killed run left paused is let go while
# there is a davit to do it.
set -e

case $1 in
	remove | 0) ;; # deb, rpm
	*) exit 0 ;;
esac
if [ -d /var/lib/davit ]; then
	davit recover || echo "davit: containers may still be paused or stopped, see docker ps -a" >&2
fi
if [ -d /run/systemd/system ]; then
	for timer in /etc/systemd/system/davit-*.timer; do
		[ -e "$timer" ] || continue
		systemctl disable --now --quiet "${timer##*/}" || true
		echo "davit: ${timer##*/} is disabled: nothing is backed up by it any more" >&2
	done
fi
if command -v systemctl > /dev/null; then
	systemctl disable --quiet davit-recover.service || true
fi
