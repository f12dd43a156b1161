#!/bin/sh
# First process of a container that was made through Weave's proxy: the application starts once it is attached.
until [ -e /sys/class/net/ethwe ]; do sleep 0.1; done
exec "$@"
