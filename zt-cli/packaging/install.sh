#!/bin/sh
# Installs what lies beside this script: sudo ./install.sh [--prefix DIR] [--no-service]; sudo ./install.sh --uninstall
set -e
cd "$(dirname "$0")"
prefix=/usr/local
service=yes
action=install
while [ $# -gt 0 ]; do
	case $1 in
	--prefix) prefix=$2; shift ;;
	--no-service) service=no ;;
	--uninstall) action=uninstall ;;
	*) sed -n 2p "$0" | cut -c3-; exit 2 ;;
	esac
	shift
done

if [ $action = uninstall ]; then
	if [ -x "$prefix/bin/zt" ]; then "$prefix/bin/zt" service uninstall || true; fi
	(cd root/usr && find . -type f) | while read -r file; do
		case $file in ./bin/* | ./share/man/* | ./share/bash-completion/* | ./share/zsh/* | ./share/fish/* | ./share/doc/zt/*)
			rm -f "$prefix/$file" ;;
		esac
	done
	rmdir "$prefix/share/doc/zt" 2>/dev/null || true
	echo "zt is gone; /var/lib/zerotier-one with this node's identity stays"
	exit 0
fi

for part in bin share/man share/bash-completion share/zsh share/fish share/doc/zt; do
	[ -d "root/usr/$part" ] || continue
	(cd root/usr && find "$part" -type f) | while read -r file; do
		mode=644
		case $file in bin/*) mode=755 ;; esac
		mkdir -p "$prefix/$(dirname "$file")"
		# A program that runs cannot be written over.
		cp "root/usr/$file" "$prefix/$file.new"
		chmod $mode "$prefix/$file.new"
		mv "$prefix/$file.new" "$prefix/$file"
	done
done
echo "zt is in $prefix/bin"
if [ $service = yes ]; then "$prefix/bin/zt" service install; fi
