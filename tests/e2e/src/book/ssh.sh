#!/bin/sh
# Stands for ssh between the machines of a page: the other one's network, mounts and home folder.
folder=$(dirname "$0")
host=${1#*@}
shift
read -r pid home < "$folder/$host.machine" || exit 255
exec nsenter --target "$pid" --mount --net sh -c "cd '$home' && HOME='$home' && $*"
