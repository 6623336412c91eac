#!/bin/sh
# After the first installation and after an upgrade. A run of the old davit goes on with the
# program that it was started from, and so does its guard: nothing is restarted here.
set -e

case $1 in
	configure | 1 | 2) ;; # deb: the one call that counts; rpm: how many are installed now
	*) exit 0 ;;
esac
if command -v systemctl > /dev/null; then
	# It works without a running systemd, in an image that is being made.
	systemctl enable --quiet davit-recover.service || true
	if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
fi
