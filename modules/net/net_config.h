// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What the boot options say about addresses: ip=, gateway=, dns=, hostname=. Main thread only.

#ifndef IMPORTOS_NET_CONFIG_H
#define IMPORTOS_NET_CONFIG_H

struct net_card;

// Name that DHCP tells; the option hostname=, or "importos". Valid for ever.
const char *net_config_hostname(void);

// Give (card) its first address, by its index: the first card as ip= says, every other by DHCP.
// ip=dhcp | ip=off | ip=A.B.C.D/N [gateway=A.B.C.D] [dns=A.B.C.D], or the kernel's long form
// ip=<address>:<server>:<gateway>:<mask>:<hostname>:<device>:<off|dhcp>[:<dns>[:<dns>]].
void net_config_apply(struct net_card *card);

#endif // IMPORTOS_NET_CONFIG_H
