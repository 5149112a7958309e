// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// lwIP looks through its tables ten times a second, whether anything is in them or not: 26,000
// instructions a second of a server that nobody asks. All that these looks do without traffic is
// to let entries age and to give up on answers, which takes a few seconds after the last frame.
// So when the wire has been quiet for longer, they are left out and made up for afterwards.

#include "net_quiet.h"

#include "lwip/dhcp.h"
#include "lwip/igmp.h"
#include "lwip/mld6.h"
#include "lwip/netif.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"

#include "clock.h"

// Longer than anything waits for a frame without sending one: fragments are kept for 15 s.
#define QUIET_NS (16 * NS_PER_S)
#define SLEEP_MS_MAX 60000
#define SECOND_MS 1000u

static uint64_t traffic_ns; // when a frame was seen last
static u32_t asleep_ms; // sys_now() when a long sleep began, 0 for none

// Is this one of the looks at the tables, or did somebody ask for it?
static const struct lwip_cyclic_timer *cyclic(const struct sys_timeo *timeout) {
    for (int i = 0; i < lwip_num_cyclic_timers; i++) {
        if (timeout->arg == &lwip_cyclic_timers[i]) {
            return &lwip_cyclic_timers[i];
        }
    }
    return NULL;
}

// Does an interface wait for a moment that only these looks can tell it?
static bool netif_waits(struct netif *netif) {
    struct dhcp *dhcp = netif_dhcp_data(netif);
    if (dhcp != NULL && dhcp->request_timeout != 0) {
        return true;
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

void net_quiet_wake(void) {
    if (asleep_ms == 0) {
        return;
    }
    u32_t missed = (sys_now() - asleep_ms) / SECOND_MS;
    asleep_ms = 0;
    // sys_check_timeouts() runs each timer that is overdue once.
    for (; missed > 1; missed--) {
        for (int i = 0; i < lwip_num_cyclic_timers; i++) {
            if (lwip_cyclic_timers[i].interval_ms == SECOND_MS) {
                lwip_cyclic_timers[i].handler();
            }
        }
    }
}

uint32_t net_quiet_sleep_ms(uint64_t now_ns, bool traffic) {
    if (traffic) {
        traffic_ns = now_ns;
    }
    u32_t sleep_ms = sys_timeouts_sleeptime();
    if (now_ns - traffic_ns < QUIET_NS) {
        return sleep_ms;
    }
    u32_t now_ms = sys_now();
    int32_t longest_ms = SLEEP_MS_MAX;
    for (struct sys_timeo *t = *sys_timeouts_get_next_timeout(); t != NULL; t = t->next) {
        const struct lwip_cyclic_timer *timer = cyclic(t);
        if (timer == NULL) {
            return sleep_ms;
        }
        if (timer->interval_ms > SECOND_MS) { // the leases' minutes
            int32_t left_ms = (int32_t)(t->time - now_ms);
            longest_ms = left_ms < longest_ms ? left_ms : longest_ms;
        }
    }
    struct netif *netif;
    NETIF_FOREACH(netif) {
        if (netif_waits(netif)) {
            return sleep_ms;
        }
    }
    asleep_ms = now_ms != 0 ? now_ms : 1;
    return longest_ms > (int32_t)sleep_ms ? (u32_t)longest_ms : sleep_ms;
}
