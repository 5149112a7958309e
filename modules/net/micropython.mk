# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# The network: our sources, lwIP's (LWIP_DIR, an unpacked release), and MicroPython's socket
# module with a longer queue for datagrams.

ifneq ($(filter NET,$(PARTS)),)


SRC_USERMOD_C += $(addprefix $(USERMOD_DIR)/, \
	netif_virtio.c net_config.c network_lan.c net_error.c modnet.c net_object.c net_udp.c \
	net_resolve.c net_interface.c $(call with,TCP,socket_lwip.c socket_options.c socket_wait.c \
	net_connection.c net_tcp.c net_write.c net_server.c))
SRC_USERMOD_LIB_C += $(addprefix $(USERMOD_DIR)/,net_memory.c net_hooks.c net_quiet.c net_mdns.c \
	netif_frames.c $(call with,TCP,socket_pending.c)) \
	shared/netutils/netutils.c
SRC_USERMOD_LIB_C += $(addprefix lwip/, \
	core/def.c core/dns.c core/inet_chksum.c core/init.c core/ip.c core/mem.c core/memp.c \
	core/netif.c core/pbuf.c core/stats.c core/sys.c core/timeouts.c core/udp.c \
	core/ipv4/acd.c core/ipv4/autoip.c core/ipv4/dhcp.c core/ipv4/etharp.c core/ipv4/icmp.c \
	core/ipv4/igmp.c core/ipv4/ip4.c core/ipv4/ip4_addr.c core/ipv4/ip4_frag.c \
	$(call with,TCP,core/raw.c core/tcp.c core/tcp_in.c core/tcp_out.c) \
	core/ipv6/dhcp6.c core/ipv6/ethip6.c core/ipv6/icmp6.c core/ipv6/inet6.c core/ipv6/ip6.c \
	core/ipv6/ip6_addr.c core/ipv6/ip6_frag.c core/ipv6/mld6.c core/ipv6/nd6.c \
	netif/ethernet.c \
	$(call with,EXTRAS,apps/mdns/mdns.c apps/mdns/mdns_domain.c apps/mdns/mdns_out.c))

NET_GENERATED := $(BUILD)/net_generated
CFLAGS_USERMOD += -I$(USERMOD_DIR) -I$(USERMOD_DIR)/lwip_inc -I$(LWIP_DIR)/src/include \
	-I$(NET_GENERATED)

$(BUILD)/lwip/%.o: $(LWIP_DIR)/src/%.c
	$(call compile_c)
LWIP_PATCHED := $(patsubst patches/lwip/%.c.patch,%,$(shell find patches/lwip -name '*.patch'))
$(BUILD)/patched/lwip/%.c: $(LWIP_DIR)/src/%.c patches/lwip/%.c.patch
	$(apply_patch)
$(LWIP_PATCHED:%=$(BUILD)/lwip/%.o): $(BUILD)/lwip/%.o: $(BUILD)/patched/lwip/%.c
	$(call compile_c)
# Debug text compares the addresses of objects with NULL.
$(BUILD)/lwip/%.o: CFLAGS += -Wno-address

# A datagram socket queues 4 packets (1 before MicroPython 1.26, which has no such constant), which
# 16 requests in flight overflow; what is too long for a datagram is an error, not cut off; one that
# the card has no room for waits; a peer that does not answer in time is ETIMEDOUT, not EAGAIN
# (patches/lwip/core/tcp.c.patch); and a socket wakes the poll set that waits for it (poll_watch.h).
# The copy's name must not end in .c, or the search for interned strings takes it for a file of its
# own.
MODLWIP := $(TOP)/extmod/modlwip.c
# The patch knows the functions of 1.26: an older release keeps upstream's sockets as they are.
ifneq ($(shell grep -l tcp_peer_addr $(MODLWIP)),)
$(BUILD)/patched/extmod/modlwip.c: $(MODLWIP) patches/extmod/modlwip.c.patch
	$(apply_patch)
MODLWIP := $(BUILD)/patched/extmod/modlwip.c
endif
$(NET_GENERATED)/net_modlwip.h: $(MODLWIP) $(USERMOD_DIR)/micropython.mk
	$(Q)$(MKDIR) -p $(@D)
	$(Q)sed -e 's/^\(#define LWIP_INCOMING_PACKET_QUEUE_LEN\) (4)/\1 (64)/' \
	    -e 's/MP_EWOULDBLOCK,\(.* ERR_TIMEOUT \)/MP_ETIMEDOUT,\1/' \
	    -e 's/^    mp_obj_t callback;$$/    struct poll_watch *watch;\n&/' \
	    -e '/^static mp_uint_t lwip_raw_udp_send/,/^}/{s/len > 0xffff/len > 65507/;s/len = 0xffff;/*_errno = EMSGSIZE; return MP_STREAM_ERROR;/;s/^    MICROPY_PY_LWIP_ENTER$$/    if (!socket_wait_room(len, socket->timeout)) { *_errno = MP_EAGAIN; return MP_STREAM_ERROR; }/}' \
	    -e 's/"modnetwork.h"/"extmod\/modnetwork.h"/' $< > $@
	$(Q)grep -q EMSGSIZE $@
	$(Q)grep -q 'MP_ETIMEDOUT,.* ERR_TIMEOUT ' $@
	$(Q)grep -q socket_wait_room $@
	$(Q)grep -q 'poll_watch .watch' $@
	$(Q)! grep -q 'QUEUE_LEN (4)' $@
QSTR_GLOBAL_DEPENDENCIES += $(NET_GENERATED)/net_modlwip.h

endif
