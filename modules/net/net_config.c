// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Addresses by boot option, in the words that Linux, Firecracker and urunc use (Linux
// Documentation/admin-guide/nfs/nfsroot.rst, "ip=").

#include "net_config.h"

#include <stdbool.h>
#include <string.h>

#include "lwip/dhcp6.h"
#include "lwip/dns.h"
#include "lwip/ip4_addr.h"

#include "py/obj.h"
#include "extmod/modnetwork.h"
#include "log.h"
#include "net_mdns.h"
#include "netif_virtio.h"
#include "options.h"

#define TEXT_SIZE 160
#define FIELD_MAX 9
#define FIELD_ADDRESS 0
#define FIELD_GATEWAY 2
#define FIELD_MASK 3
#define FIELD_HOSTNAME 4
#define FIELD_METHOD 6
#define FIELD_DNS 7

const char *net_config_hostname(void) {
    static bool read;
    if (!read) {
        read = true;
        char name[MICROPY_PY_NETWORK_HOSTNAME_MAX_LEN + 1];
        int length = option_get("hostname", name, sizeof(name));
        if (length > 0 && length < (int)sizeof(name)) {
            memcpy(mod_network_hostname_data, name, (size_t)length + 1);
            net_mdns_name();
        }
    }
    return mod_network_hostname_data;
}

static bool parse_address(const char *text, ip4_addr_t *address) {
    return text[0] != '\0' && ip4addr_aton(text, address);
}

static void set_dns(u8_t index, const char *text) {
    ip_addr_t server;
    if (text[0] != '\0' && ipaddr_aton(text, &server)) {
        dns_setserver(index, &server);
    }
}

static ip4_addr_t mask_of(unsigned bits) {
    ip4_addr_t mask = { bits == 0 ? 0 : lwip_htonl(0xffffffffu << (32 - bits)) };
    return mask;
}

// A.B.C.D/N, with the gateway and the name server in options of their own.
static bool apply_short(struct net_card *card, char *text) {
    char *slash = strchr(text, '/');
    *slash = '\0';
    unsigned bits = 0;
    for (const char *p = slash + 1; *p >= '0' && *p <= '9' && bits <= 32; p++) {
        bits = bits * 10 + (unsigned)(*p - '0');
    }
    ip4_addr_t address, gateway;
    if (bits > 32 || !parse_address(text, &address)) {
        return false;
    }
    char value[TEXT_SIZE];
    bool has_gateway = option_get("gateway", value, sizeof(value)) > 0 &&
        parse_address(value, &gateway);
    ip4_addr_t mask = mask_of(bits);
    net_card_static(card, &address, &mask, has_gateway ? &gateway : NULL);
    return true;
}

static bool apply_long(struct net_card *card, char *text) {
    char *field[FIELD_MAX];
    unsigned count = 0;
    for (char *p = text; count < FIELD_MAX && p != NULL;) {
        field[count++] = p;
        p = strchr(p, ':');
        if (p != NULL) {
            *p++ = '\0';
        }
    }
    static char none[] = "";
    while (count < FIELD_MAX) {
        field[count++] = none;
    }
    if (field[FIELD_HOSTNAME][0] != '\0' &&
        strlen(field[FIELD_HOSTNAME]) <= MICROPY_PY_NETWORK_HOSTNAME_MAX_LEN) {
        strcpy(mod_network_hostname_data, field[FIELD_HOSTNAME]);
        net_mdns_name();
    }
    set_dns(0, field[FIELD_DNS]);
    set_dns(1, field[FIELD_DNS + 1]);
    if (field[FIELD_ADDRESS][0] == '\0' || strcmp(field[FIELD_METHOD], "dhcp") == 0) {
        net_card_dhcp(card);
        return true;
    }
    ip4_addr_t address, mask, gateway;
    if (!parse_address(field[FIELD_ADDRESS], &address)) {
        return false;
    }
    if (!parse_address(field[FIELD_MASK], &mask)) {
        mask = mask_of(24);
    }
    bool has_gateway = parse_address(field[FIELD_GATEWAY], &gateway);
    net_card_static(card, &address, &mask, has_gateway ? &gateway : NULL);
    return true;
}

void net_config_apply(struct net_card *card) {
    dhcp6_enable_stateless(&card->netif);
    net_mdns_card(&card->netif);
    char text[TEXT_SIZE];
    char value[TEXT_SIZE];
    int length = option_get("ip", text, sizeof(text));
    bool done = false;
    if (card->index != 0 || length <= 0 || strcmp(text, "dhcp") == 0) {
        net_card_dhcp(card);
        done = true;
    } else if (strcmp(text, "off") == 0 || strcmp(text, "none") == 0) {
        done = true;
    } else if (length < (int)sizeof(text) && strchr(text, '/') != NULL) {
        done = apply_short(card, text);
    } else if (length < (int)sizeof(text) && strchr(text, ':') != NULL) {
        done = apply_long(card, text);
    }
    if (!done) {
        kprintf("net: ip=%s is no address; DHCP instead\n", text);
        net_card_dhcp(card);
    }
    if (card->index == 0 && option_get("dns", value, sizeof(value)) > 0) {
        set_dns(0, value);
    }
}
