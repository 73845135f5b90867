#!/bin/sh
# Stands for systemd where there is none: starts and ends `zt service` as the unit zt would and with its rights, "started"
# when a root answers or after some seconds.
pid=/run/zt-unit.pid
stop() {
    [ -f $pid ] || return 0
    kill "$(cat $pid)" 2> /dev/null
    tail --pid="$(cat $pid)" -f /dev/null
    rm $pid
}
start() {
    [ ! -f $pid ] || return 0
    nohup as-unit zt service > /run/zt-unit.log 2>&1 < /dev/null &
    echo $! > $pid
    until zt info > /dev/null 2>&1; do
        kill -0 "$(cat $pid)" || exit 1
        sleep 0.05
    done
    zt wait online --timeout 2 > /dev/null 2>&1 || :
}
restart() {
    stop
    start
}
nothing() {
    :
}
verb=nothing
for word; do
    case $verb,$word in
    *,start | *,stop | *,restart) verb=$word ;;
    *,enable | *,disable) ;;
    *,--now) verb=start; [ "$1" = enable ] || verb=stop ;;
    *,zt) $verb ;;
    *,zerotier-one) ;;
    *) echo "systemctl here knows no $word" >&2; exit 1 ;;
    esac
done
