// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// lwIP looks through its tables ten times a second, whether anything is in them or not: 26,000
// instructions a second of a server that nobody asks. Ten looks a second are for addresses and
// groups that are being announced; one look a second repeats a question of ours that was not
// answered, or lets entries age. So the first are left out while nothing is announced, the others
// when we have not asked anything for a while. The ageing is made up for before the stack is used
// again, in one look for all the seconds.

#include "net_quiet.h"

#include "lwip/acd.h"
#include "lwip/dhcp.h"
#include "lwip/dhcp6.h"
#include "lwip/igmp.h"
#include "lwip/mld6.h"
#include "lwip/netif.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"

#include "clock.h"

// How long a question waits for its last answer or its next repetition: router solicitations are
// 4 s apart, ARP gives up after 5 s, DNS repeats after 4 s at most.
#define ASKED_NS (6 * NS_PER_S)
#define SLEEP_MS_MAX 60000
#define SECOND_MS 1000u
#define SECONDS_MAX 60000u // what 16 bits and the age of an entry can hold

#define ETHERTYPE_AT 12
#define ARP 0x0806
#define IP4 0x0800
#define IP6 0x86dd
#define IP4_HEADER 14
#define IP4_PROTOCOL_AT (IP4_HEADER + 9)
#define IP6_NEXT_AT (14 + 6)
#define IP6_PAYLOAD_AT (14 + 40)
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMP6 58
#define PORT_DNS 53
#define PORT_MDNS 5353
#define ROUTER_SOLICITATION 133
#define NEIGHBOUR_SOLICITATION 135

uint16_t net_timer_seconds = 1;

static uint64_t awake_until_ns; // until then the looks of every second matter
static bool asked; // since the last net_quiet_sleep_ms()
static u32_t aged_ms; // sys_now() up to which the tables have aged
static bool asleep; // the seconds pass uncounted

static bool is_dns(const uint8_t *udp) {
    unsigned port = (unsigned)udp[2] << 8 | udp[3];
    return port == PORT_DNS || port == PORT_MDNS;
}

// Does (frame), of ours, want an answer that lwIP's looks wait for? TCP has a timer of its own.
static bool is_question(const uint8_t *frame, size_t size) {
    switch (frame[ETHERTYPE_AT] << 8 | frame[ETHERTYPE_AT + 1]) {
        case ARP:
            return true;
        case IP4: {
            size_t udp = IP4_HEADER + (frame[IP4_HEADER] & 0xfu) * 4;
            return frame[IP4_PROTOCOL_AT] == PROTOCOL_UDP && udp + 4 <= size &&
                   is_dns(frame + udp);
        }
        case IP6: {
            const uint8_t *payload = frame + IP6_PAYLOAD_AT;
            if (size < IP6_PAYLOAD_AT + 4) {
                return false;
            }
            if (frame[IP6_NEXT_AT] == PROTOCOL_ICMP6) {
                return payload[0] == ROUTER_SOLICITATION || payload[0] == NEIGHBOUR_SOLICITATION;
            }
            return frame[IP6_NEXT_AT] == PROTOCOL_UDP && is_dns(payload);
        }
        default:
            return false;
    }
}

bool net_quiet_sent(const uint8_t *frame, size_t size) {
    if (size > IP4_PROTOCOL_AT && is_question(frame, size)) {
        asked = true;
    }
    return asked;
}

// Is this one of the looks at the tables, or did somebody ask for it?
static bool is_cyclic(const struct sys_timeo *timeout) {
    return timeout->h == lwip_cyclic_timer;
}

// Does an interface count tenths of a second?
static bool netif_waits(struct netif *netif) {
    struct dhcp *dhcp = netif_dhcp_data(netif);
    if (dhcp != NULL && dhcp->request_timeout != 0) {
        return true;
    }
    struct dhcp6 *dhcp6 = netif_dhcp6_data(netif);
    if (dhcp6 != NULL && dhcp6->request_timeout != 0) {
        return true;
    }
    for (struct acd *acd = netif->acd_list; acd != NULL; acd = acd->next) {
        if (acd->lastconflict != 0 || (acd->state != ACD_STATE_OFF &&
                                       acd->state != ACD_STATE_ONGOING)) {
            return true;
        }
    }
    for (struct igmp_group *group = netif_igmp_data(netif); group != NULL; group = group->next) {
        if (group->timer != 0) {
            return true;
        }
    }
    for (struct mld_group *group = netif_mld6_data(netif); group != NULL; group = group->next) {
        if (group->timer != 0) {
            return true;
        }
    }
    return false;
}

// Does an interface look for routers, or whether its addresses are its own (RFC 4861 and 4862)?
static bool netif_begins(const struct netif *netif) {
    if (!netif_is_up(netif) || !netif_is_link_up(netif)) {
        return false;
    }
    bool begins = netif->rs_count != 0;
    for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        begins = begins || ip6_addr_istentative(netif_ip6_addr_state(netif, i));
    }
    return begins;
}

static bool is_second(const struct lwip_cyclic_timer *timer) {
    return timer->interval_ms == SECOND_MS;
}

void net_quiet_start(void) {
    for (int i = 0; i < lwip_num_cyclic_timers; i++) {
        if (is_second(&lwip_cyclic_timers[i])) {
            sys_untimeout(lwip_cyclic_timer, (void *)(size_t)&lwip_cyclic_timers[i]);
        }
    }
    aged_ms = sys_now();
}

void net_quiet_age(void) {
    asleep = false;
    u32_t seconds = (sys_now() - aged_ms) / SECOND_MS;
    if (seconds == 0) {
        return;
    }
    aged_ms += seconds * SECOND_MS; // first: the timers may send
    net_timer_seconds = (uint16_t)LWIP_MIN(seconds, SECONDS_MAX);
    for (int i = 0; i < lwip_num_cyclic_timers; i++) {
        if (is_second(&lwip_cyclic_timers[i])) {
            lwip_cyclic_timers[i].handler();
        }
    }
    net_timer_seconds = 1;
}

void net_quiet_wake(void) {
    if (asleep) {
        net_quiet_age();
    }
}

// Seconds until an address has to be asked for again (RFC 2131, 4.4.5), or no more than (limit).
static u32_t lease_s(struct netif *netif, u32_t limit) {
    const struct dhcp *dhcp = netif_dhcp_data(netif);
    if (dhcp == NULL) {
        return limit;
    }
    u32_t left[] = {
        dhcp->t1_renew_time, dhcp->t2_rebind_time, dhcp->t0_timeout - dhcp->lease_used,
    };
    for (unsigned i = 0; i < LWIP_ARRAYSIZE(left); i++) {
        if (left[i] != 0) { // that timer runs
            limit = LWIP_MIN(limit, left[i]);
        }
    }
    return limit;
}

// Milliseconds to the next timer of lwIP's list that matters.
static int32_t next_timer_ms(u32_t now_ms, bool tenths) {
    int32_t sleep_ms = SLEEP_MS_MAX;
    for (struct sys_timeo *t = *sys_timeouts_get_next_timeout(); t != NULL; t = t->next) {
        if (!is_cyclic(t) || tenths) {
            sleep_ms = LWIP_MIN(sleep_ms, (int32_t)(t->time - now_ms));
        }
    }
    return sleep_ms;
}

uint32_t net_quiet_sleep_ms(uint64_t now_ns) {
    if (asked) {
        asked = false;
        awake_until_ns = now_ns + ASKED_NS;
    }
    bool seconds = now_ns < awake_until_ns, tenths = false;
    u32_t age_s = SLEEP_MS_MAX / SECOND_MS;
    struct netif *netif;
    NETIF_FOREACH(netif) {
        seconds = seconds || netif_begins(netif);
        tenths = tenths || netif_waits(netif);
        age_s = lease_s(netif, age_s);
    }
    u32_t now_ms = sys_now();
    asleep = !seconds;
    int32_t age_ms = (int32_t)(aged_ms + (seconds ? 1 : age_s) * SECOND_MS - now_ms);
    int32_t sleep_ms = LWIP_MIN(age_ms, next_timer_ms(now_ms, tenths));
    return sleep_ms > 0 ? (u32_t)sleep_ms : 0;
}
