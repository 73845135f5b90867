#!/bin/sh
# Stands for scp from another machine of a page, or to it.
folder=$(dirname "$0")
case $1 in
*:*) "$folder/ssh" "${1%%:*}" cat "${1#*:}" > "$2" ;;
*) "$folder/ssh" "${2%%:*}" "cat > ${2#*:}" < "$1" ;;
esac
