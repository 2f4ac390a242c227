#!/bin/sh
# Two machines on one: network namespaces, host names, a user and ssh keys as in a group of a LeaderWorkerSet. Inside of
# `unshare --mount --net --uts --pid --fork --kill-child`. KEYS NODE_PY; then the leader's command.
set -eu
keys=$1 node=$2
shift 2
mount -t tmpfs none /mnt
mount -t tmpfs none /run
printf '%s\n' '127.0.0.1 localhost' '10.77.0.1 triton-0.triton.qwen triton-0' \
    '10.77.0.2 triton-0-1.triton.qwen triton-0-1' >/mnt/hosts
{ grep -v ':1000:' /etc/passwd; echo 'triton-server:x:1000:1000::/tmp:/bin/sh'; } >/mnt/passwd
mount --bind /mnt/hosts /etc/hosts
mount --bind /mnt/passwd /etc/passwd
# As a Secret's files are: root's, readable for the group of the pod.
mkdir -m 755 /mnt/keys
install -o 0 -g 1000 -m 440 "$keys/id_ed25519" "$keys/id_ed25519.pub" /mnt/keys
install -m 644 "$node" /mnt/mpi_node.py
install -d -o 1000 -g 1000 /mnt/worker /mnt/leader
ip link set lo up
ip netns add worker
ip link add l0 type veth peer name w0 netns worker
ip address add 10.77.0.1/24 dev l0
ip link set l0 up
ip -n worker address add 10.77.0.2/24 dev w0
ip -n worker link set w0 up
ip -n worker link set lo up
cd /
export MPI_KEYS=/mnt/keys HOME=/tmp
confined="setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set -all --inh-caps -all --no-new-privs"
MPI_FOLDER=/mnt/worker/mpi SPECIAL="the worker's own" ip netns exec worker unshare --uts \
    sh -c 'hostname triton-0-1; exec "$@"' sh $confined /usr/bin/python3 /mnt/mpi_node.py worker >&2 &
hostname triton-0
MPI_FOLDER=/mnt/leader/mpi SPECIAL="the leader's own" $confined /usr/bin/python3 /mnt/mpi_node.py leader -- "$@"
