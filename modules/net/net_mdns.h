// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Answers for the host name by multicast DNS (RFC 6762), once somebody has chosen a name:
// network.hostname("box"), LAN.config(hostname=), or the boot option hostname=. With the name that
// every machine has there is no responder, and port 5353 is closed. Main thread.

#ifndef IMPORTOS_NET_MDNS_H
#define IMPORTOS_NET_MDNS_H

struct netif;

// (netif) is new: answer there too, if there is a name to answer for.
void net_mdns_card(struct netif *netif);

// The host name was chosen.
void net_mdns_name(void);

#endif // IMPORTOS_NET_MDNS_H
