// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The host name on the local link, by lwIP's responder.

#include "net_mdns.h"

#include <stdbool.h>

#include "lwip/apps/mdns.h"
#include "lwip/netif.h"

#include "net_config.h"

#if LWIP_MDNS_RESPONDER

static bool named;
static bool started;

void net_mdns_card(struct netif *netif) {
    if (!named) {
        return;
    }
    if (!started) {
        started = true;
        mdns_resp_init();
    }
    const char *name = net_config_hostname();
    if (mdns_resp_netif_active(netif)) {
        mdns_resp_rename_netif(netif, name);
    } else {
        mdns_resp_add_netif(netif, name);
    }
}

void net_mdns_name(void) {
    named = true;
    struct netif *netif;
    NETIF_FOREACH(netif) {
        if (netif->flags & NETIF_FLAG_ETHARP) {
            net_mdns_card(netif);
        }
    }
}

#else

void net_mdns_card(struct netif *netif) {
    (void)netif;
}

void net_mdns_name(void) {
}

#endif // LWIP_MDNS_RESPONDER
