// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// lwIP looks through its tables ten times a second, whether anything is in them or not: 26,000
// instructions a second of a server that nobody asks. Ten looks a second are for addresses and
// groups that are being announced; one look a second repeats a question of ours that was not
// answered, or lets entries age. So the first are left out while nothing is announced, the others
// when we have not asked anything for a while. The ageing is made up for before the stack is used
// again, 1,800 instructions for each second: what is saved is waking up, not the looks themselves.

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

static uint64_t awake_until_ns; // until then the looks of every second matter
static bool asked; // since the last net_quiet_sleep_ms()
static u32_t asleep_ms; // sys_now() when a long sleep began, 0 for none

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
static const struct lwip_cyclic_timer *cyclic(const struct sys_timeo *timeout) {
    size_t offset = (size_t)timeout->arg - (size_t)lwip_cyclic_timers;
    bool ours = offset < (size_t)lwip_num_cyclic_timers * sizeof(lwip_cyclic_timers[0]);
    return ours ? timeout->arg : NULL;
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

void net_quiet_wake(void) {
    if (asleep_ms == 0) {
        return;
    }
    u32_t missed = (sys_now() - asleep_ms) / SECOND_MS;
    asleep_ms = 0; // first: the timers may send
    missed = missed < SLEEP_MS_MAX / SECOND_MS ? missed : SLEEP_MS_MAX / SECOND_MS;
    // sys_check_timeouts() runs each timer that is overdue once.
    for (; missed > 1; missed--) {
        for (int i = 0; i < lwip_num_cyclic_timers; i++) {
            if (lwip_cyclic_timers[i].interval_ms == SECOND_MS) {
                lwip_cyclic_timers[i].handler();
            }
        }
    }
}

// Milliseconds to the next timer that matters.
static int32_t next_timer_ms(u32_t now_ms, bool seconds, bool tenths) {
    int32_t sleep_ms = SLEEP_MS_MAX, second_ms = 0;
    for (struct sys_timeo *t = *sys_timeouts_get_next_timeout(); t != NULL; t = t->next) {
        const struct lwip_cyclic_timer *timer = cyclic(t);
        int32_t left_ms = (int32_t)(t->time - now_ms);
        if (timer != NULL && timer->interval_ms == SECOND_MS) {
            second_ms = left_ms; // the last of them: then all are due
        } else if (timer == NULL || timer->interval_ms > SECOND_MS || tenths) {
            sleep_ms = LWIP_MIN(sleep_ms, left_ms);
        }
    }
    return seconds ? LWIP_MIN(sleep_ms, second_ms) : sleep_ms;
}

uint32_t net_quiet_sleep_ms(uint64_t now_ns) {
    if (asked) {
        asked = false;
        awake_until_ns = now_ns + ASKED_NS;
    }
    bool seconds = now_ns < awake_until_ns, tenths = false;
    struct netif *netif;
    NETIF_FOREACH(netif) {
        seconds = seconds || netif_begins(netif);
        tenths = tenths || netif_waits(netif);
    }
    u32_t now_ms = sys_now();
    int32_t sleep_ms = next_timer_ms(now_ms, seconds, tenths);
    if (!seconds && sleep_ms > (int32_t)SECOND_MS) {
        asleep_ms = now_ms != 0 ? now_ms : 1;
    }
    return sleep_ms > 0 ? (u32_t)sleep_ms : 0;
}
