// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// lwIP's options (its opt.h says what each means), where they differ from the default and why.
// lwIP runs on the main thread only: no operating system, no lock, no call from an interrupt.

#ifndef IMPORTOS_LWIPOPTS_H
#define IMPORTOS_LWIPOPTS_H

#include <stddef.h>
#include <stdint.h>

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TESTMODE 1 // net_quiet.c walks the list of timeouts
typedef uint32_t sys_prot_t; // modlwip.c defines sys_arch_protect(), which nobody calls

#define LWIP_HOOK_FILENAME "net_hooks.h"

// Memory: everything comes from net_memory.c, which follows the RAM, so the MEMP_NUM_ limits of a
// microcontroller do not exist. What a peer can make us keep is bounded one by one below.
#define MEM_ALIGNMENT 8
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC net_memory_alloc
#define MEM_CUSTOM_CALLOC net_memory_calloc
#define MEM_CUSTOM_FREE net_memory_free
#define MEMP_MEM_MALLOC 1
void *net_memory_alloc(size_t size);
void *net_memory_calloc(size_t count, size_t size);
void net_memory_free(void *data);

#define LWIP_SUPPORT_CUSTOM_PBUF 1 // frames stay in the card's buffers
#define PBUF_LINK_HLEN 14
#define ETH_PAD_SIZE 0

// Interfaces
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define ARP_TABLE_SIZE 64
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 16 // packets that wait for one address
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_LINK_CALLBACK 1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_HAVE_LOOPIF 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_LOOPBACK_MAX_PBUFS 256
// A packet to ourselves has the stack run again: lwIP asks for that as it asks a TCP/IP thread.
#define LWIP_NETIF_LOOPBACK_MULTITHREADING 1
#define tcpip_try_callback(function, argument) (net_schedule(), ERR_OK)
void net_schedule(void);
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1 // cards that compute checksums
#define LWIP_CHKSUM net_checksum
uint16_t net_checksum(const void *data, int size);

// IPv4
#define IP_FORWARD 0
#define IP_OPTIONS_ALLOWED 0 // a source route is nobody's honest wish
#define IP_REASSEMBLY 1
#define IP_REASS_MAX_PBUFS 64 // fragments that wait, all datagrams together
#define IP_FRAG 1
#define LWIP_ICMP 1
#define LWIP_BROADCAST_PING 0
#define LWIP_MULTICAST_PING 0
#define LWIP_IGMP 1
#define LWIP_RAW IMPORTOS_TCP // for sockets
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0 // it costs 2 s at every boot
#define LWIP_AUTOIP 1
#define LWIP_DHCP_AUTOIP_COOP 1
#define LWIP_DHCP_AUTOIP_COOP_TRIES 3 // a link-local address after 20 s without an answer
#define LWIP_DHCP_MAX_DNS_SERVERS 2
#define DHCP_COARSE_TIMER_SECS 1
#define DHCP_TIMEOUT_SIZE_T uint32_t // those seconds

// IPv6
#define LWIP_IPV6 1
#define LWIP_IPV6_AUTOCONFIG 1
#define LWIP_IPV6_NUM_ADDRESSES 4
#define LWIP_IPV6_DHCP6 1 // stateless: DNS servers, when a router says that there are some
#define LWIP_DHCP6_MAX_DNS_SERVERS 2
#define LWIP_IPV6_MLD 1
#define LWIP_IPV6_FORWARD 0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 1
#define LWIP_IPV6_REASS 1
#define IPV6_FRAG_COPYHEADER 1 // a pointer of 64 bits does not fit the fragment header
#define LWIP_ND6_NUM_NEIGHBORS 32
#define LWIP_ND6_NUM_DESTINATIONS 32
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 1

// DNS
#define LWIP_DNS 1
#define DNS_TABLE_SIZE 16
#define DNS_MAX_SERVERS 3
#define LWIP_DNS_SUPPORT_MDNS_QUERIES 1
#define LWIP_MDNS_RESPONDER IMPORTOS_EXTRAS // see net_mdns.c
#define LWIP_MDNS_SEARCH 0 // which copies names without a limit, as of 2.2.1
#define MDNS_MAX_SERVICES 1
#define LWIP_NUM_NETIF_CLIENT_DATA 1 // it
#define DNS_LOCAL_HOSTLIST 1
#define DNS_LOCAL_HOSTLIST_INIT \
    { DNS_LOCAL_HOSTLIST_ELEM("localhost", IPADDR4_INIT_BYTES(127, 0, 0, 1)) }

// UDP
#define LWIP_UDP 1
#define SO_REUSE 1

// TCP
#define LWIP_TCP IMPORTOS_TCP
#define TCP_MSS 8960 // the limit; an interface's MTU says less
#define TCP_OVERSIZE 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 4
#define TCP_WND (1008 * 1024) // 16 of the largest segments that a card hands over
// Not each time that somebody reads 4 packets; (pcb) is tcp_recved()'s, whose peer may not scale.
#define TCP_WND_UPDATE_THRESHOLD (TCP_WND_MAX(pcb) / 4)
#define TCP_SND_BUF (256 * 1024)
#define TCP_SND_QUEUELEN 1024 // pbufs; many small writes must not wait for a timer
#define TCP_SNDLOWAT 16384
#define TCP_SNDQUEUELOWAT (TCP_SND_QUEUELEN / 2)
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_BYTES TCP_WND
#define TCP_OOSEQ_MAX_PBUFS 128
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_TIMESTAMPS 1
#define LWIP_TCP_KEEPALIVE 1
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1 // data that came before accept() (socket_lwip.c)
#define TCP_LISTEN_BACKLOG 1
#define TCP_MSL 5000 // ms: TIME_WAIT is twice that, and every SYN walks that list
#define LWIP_TCP_RTO_TIME 1000 // ms, RFC 6298
// Retransmission (patches/lwip): times in ticks, how many pass between two looks, and the limits
// of the time-out. Peers delay acknowledgements by 250 ms at most (lwIP's), most of them by 40.
#define NET_TCP_TICK_MS 10
#define NET_TCP_RTO_STEP 5
#define NET_TCP_RTO_MIN 30
#define NET_TCP_RTO_MAX 12000
#define NET_TCP_RTO(pcb) \
    ((int16_t)LWIP_MAX(NET_TCP_RTO_MIN, ((pcb)->sa >> 3) + (pcb)->sv))

#define LWIP_STATS 1
#define MEM_STATS 0
#define MEMP_STATS 0
#define SYS_STATS 0

// How many seconds pass with a call of a timer of one second (patches/lwip, net_quiet.c).
extern uint16_t net_timer_seconds;

// Segments larger than a packet, which the card cuts (patches/lwip): the limit in bytes with
// options, 0: none; and while one goes down the stack, the payload of a packet.
extern uint16_t net_tcp_segment_max, net_tcp_packet_size;

#define LWIP_HOOK_TCP_ISN net_tcp_isn
#define LWIP_HOOK_TCP_INPACKET_PCB net_tcp_inpacket

#endif // IMPORTOS_LWIPOPTS_H
