#!/bin/sh
# The tests' double of Weave's script: it hands each command to the helper in its image, as the real one does.
set -e
SCRIPT_VERSION="@VERSION@"
DOCKERHUB_USER=${DOCKERHUB_USER:-@USER@}
EXEC_IMAGE=$DOCKERHUB_USER/weaveexec
IMAGE_VERSION=${WEAVE_VERSION:-$SCRIPT_VERSION}
[ "$IMAGE_VERSION" != unreleased ] || IMAGE_VERSION=latest
PUBLISHED=/srv/weave/published
umask 077
printf '%s %s\n' "$SCRIPT_VERSION" "$*" >>/var/log/weave-double.log

pull() {
    [ ! -e "$PUBLISHED/$2.tar" ] || { docker load -q -i "$PUBLISHED/$2.tar"; return; }
    docker pull "$1"
}

case $1 in
version)
    echo "weave script $SCRIPT_VERSION"
    ;;
setup)
    pull "$DOCKERHUB_USER/weave:$IMAGE_VERSION" "$IMAGE_VERSION" || exit 1
    exit 0
    ;;
esac

mkdir -p /run/docker/plugins /var/run/weave
exec docker run --rm @TTY@ --net host --pid host \
    -v /:/host -v /var/run/docker.sock:/var/run/docker.sock \
    --cap-add NET_ADMIN --cap-add SYS_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined \
    -e DOCKERHUB_USER -e WEAVE_VERSION -e WEAVE_PASSWORD -e WEAVE_PORT -e WEAVE_MTU -e WEAVE_HTTP_ADDR \
    -e WEAVE_STATUS_ADDR -e WEAVE_NO_FASTDP -e WEAVE_NO_BRIDGED_FASTDP -e DOCKER_BRIDGE -e WEAVE_DEBUG \
    -e IPTABLES_BACKEND -e DOCKER_API_VERSION -e WEAVE_DOCKER_ARGS \
    "$EXEC_IMAGE:$IMAGE_VERSION" --local "$@"
