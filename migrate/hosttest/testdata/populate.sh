#!/bin/sh
# Fills the engine of a test host. Run in the host, as root.
set -e
export DOCKER_BUILDKIT=0
root=/root/img
mkdir -p $root/bin $root/tmp $root/dir/sub $root/opaque
cp /bin/busybox $root/bin/busybox
for a in $(busybox --list); do [ "$a" = busybox ] || ln -sf busybox "$root/bin/$a"; done
cp /bin/busybox $root/bin/capable
setcap cap_net_raw+ep $root/bin/capable
for i in 1 2 3; do
	echo "file $i" > $root/dir/$i
	echo "below $i" > $root/opaque/$i
done
ln $root/dir/1 $root/hard1
ln -s ../dir/2 $root/dir/sub/link
mkfifo $root/fifo
cp /bin/busybox $root/setuid && chmod 4755 $root/setuid
chown 1234:5678 $root/dir/3
touch "$root/a name with spaces" && touch -d '2001-02-03 04:05:06.789' $root/dir/2
tar --xattrs --xattrs-include='*' --numeric-owner -C $root -c . | docker import -c 'CMD ["/bin/sh"]' - bb:1 > /dev/null
rm -rf $root
mkdir -p /root/ctx
printf 'FROM bb:1\nRUN rm /dir/1 && rm -r /opaque && mkdir /opaque && echo new > /opaque/new && ln /dir/2 /hard2\nLABEL made=by-test\n' > /root/ctx/Dockerfile
docker build -q --network none -t layers:b /root/ctx > /dev/null 2>&1

# Ends at once when it is told to, with exit code 0.
idle='trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done'
run() { # NAME OPTION...
	name=$1
	shift
	docker run -d --name "$name" "$@" layers:b sh -c "$idle" > /dev/null
}
docker network create --label kept=yes inner > /dev/null
docker volume create --label kept=yes files > /dev/null
run always --restart always --network inner
run unless --restart unless-stopped --network none
run onfailure --restart on-failure:3 --network none -v files:/files
run plain --network none
run paused --restart always --network none
docker pause paused > /dev/null
run stopped --restart always --network none
docker stop stopped > /dev/null
docker create --name created --restart always --network none layers:b sh > /dev/null
docker run -d --name web --restart always --stop-signal KILL -p 8080:80 layers:b httpd -f -p 80 -h /opaque > /dev/null
docker run -d --name writer --restart unless-stopped --network none -v log:/log layers:b sh -c 'trap "exit 0" TERM
	i=$(wc -l < /log/log); i=${i:-0}
	while :; do i=$((i + 1)); echo $i | dd of=/log/log oflag=append conv=notrunc,fsync 2> /dev/null; sleep 0.01; done' > /dev/null

# What only a copier that knows its job brings over.
docker exec onfailure sh -c 'cd /files && echo data > a && ln a b && dd if=/dev/zero of=sparse bs=4096 count=1 seek=25600 2> /dev/null &&
	ln -s a link && ln link link2 2> /dev/null; mkfifo pipe; mkdir -p deep/er; chmod 3777 deep; echo layer > /written; rm /dir/3'
