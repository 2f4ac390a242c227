#!/bin/sh
# Two machines on one: network namespaces, host names and ssh keys as in a group of a LeaderWorkerSet. Inside of
# `unshare --mount --net --uts --pid --fork --kill-child`. FOLDER NODE_PY PYTHON; then the leader's command.
set -eu
folder=$1 node=$2 python=$3
shift 3
printf '%s\n' '127.0.0.1 localhost' '10.77.0.1 triton-0.triton.qwen triton-0' \
    '10.77.0.2 triton-0-1.triton.qwen triton-0-1' >"$folder/hosts"
mount --bind "$folder/hosts" /etc/hosts
mount -t tmpfs none /run
mkdir /run/sshd # root's sshd wants it
ip link set lo up
ip netns add worker
ip link add l0 type veth peer name w0 netns worker
ip address add 10.77.0.1/24 dev l0
ip link set l0 up
ip -n worker address add 10.77.0.2/24 dev w0
ip -n worker link set w0 up
ip -n worker link set lo up
MPI_FOLDER="$folder/worker" SPECIAL="the worker's own" ip netns exec worker unshare --uts \
    sh -c 'hostname triton-0-1; exec "$@"' sh "$python" "$node" worker >"$folder/worker.log" 2>&1 &
hostname triton-0
MPI_FOLDER="$folder/leader" SPECIAL="the leader's own" "$python" "$node" leader -- "$@"
