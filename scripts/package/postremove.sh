#!/bin/sh
# After davit went. Backups and what davit knows of them are never removed with the program.
set -e

if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
case $1 in
	purge | 0) ;; # deb, rpm
	*) exit 0 ;;
esac
if [ -d /var/lib/davit ] || [ -d /var/cache/davit ]; then
	echo "davit: repositories, and state in /var/lib/davit and /var/cache/davit, stay; remove them by hand if nobody needs them" >&2
else
	echo "davit: repositories stay; remove them by hand if nobody needs them" >&2
fi
