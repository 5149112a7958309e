#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# /init of the Linux guests: mount, load modules and bring up the network if asked, run the script.
# Words of the kernel command line: net=pci|mmio|builtin addr=A.B.C.D mask=M gw=G nofile=N

b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for word in $($b cat /proc/cmdline); do
    case $word in net=* | addr=* | mask=* | gw=* | nofile=*) eval "${word%%=*}=\${word#*=}" ;; esac
done
if [ -n "$net" ]; then
    [ "$net" = mmio ] && $b insmod /lib/m/virtio_mmio.ko
    if [ "$net" != builtin ]; then
        for module in failover net_failover virtio_net; do $b insmod /lib/m/$module.ko; done
    fi
    $b ifconfig lo 127.0.0.1
    $b ifconfig eth0 "$addr" netmask "$mask" up
    [ -n "$gw" ] && $b route add default gw "$gw"
fi
[ -n "$nofile" ] && ulimit -n "$nofile"
cd /app
if [ -f run.sh ]; then . ./run.sh; else $($b cat /etc/python) main.py; fi
$b reboot -f
