// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What `net` adds to network.LAN: callbacks for addresses that come and go, raw frames, and
// net.config(). A frame is handed to Python in the card's own buffer.

#include <stdio.h>
#include <string.h>

#include "lwip/acd.h"
#include "lwip/autoip.h"
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "py/binary.h"
#include "py/mperrno.h"
#include "py/objstr.h"

#include "events.h"
#include "net_error.h"
#include "net_object.h"
#include "netif_virtio.h"
#include "network_lan.h"
#include "virtio_net.h"

#define CALLBACK_UP 0
#define CALLBACK_DOWN 1
#define CALLBACK_FRAME 2
#define CALLBACK_COUNT 3

typedef struct _net_frame_obj_t {
    mp_obj_base_t base;
    struct virtio_net_frame frame; // .data NULL: released
    struct virtio_net *device;
    uint8_t card;
    bool kept;
} net_frame_obj_t;

static bool was_up[VIRTIO_NET_MAX];
static uint32_t last_address[VIRTIO_NET_MAX]; // in network order, of those that were up
static bool up_held[VIRTIO_NET_MAX], frame_held[VIRTIO_NET_MAX]; // os_hold() called

static mp_obj_t *slot(const struct net_card *card, unsigned which) {
    return &MP_STATE_VM(net_interface_callbacks)[card->index * CALLBACK_COUNT + which];
}

// Keep the machine running, or no more.
static void hold(bool *held, bool wanted) {
    if (wanted != *held) {
        *held = wanted;
        if (wanted) {
            os_hold();
        } else {
            os_release();
        }
    }
}

// --- up and down --------------------------------------------------------------------------------

static void report(struct net_card *card, unsigned which) {
    mp_obj_t callback = *slot(card, which);
    mp_obj_t argument = network_lan_get(card->index);
    if (net_has(callback)) {
        os_call(argument, which == CALLBACK_UP ? "net.Interface on_up" : "net.Interface on_down",
            callback, 1, &argument);
    }
}

// A lease that comes late ends the search for a link-local address. lwIP 2.2.1 lets it go on: it
// replaces the leased address then, and does not begin again when the lease is lost.
static void stop_autoip(struct netif *netif) {
    struct autoip *autoip = netif_autoip_data(netif);
    if (autoip != NULL && !ip4_addr_islinklocal(netif_ip4_addr(netif))) {
        acd_stop(&autoip->acd);
        autoip_stop(netif);
    }
}

// A lease may follow a link-local address at once: for the program that is down and up again.
void net_interfaces_run(void) {
    struct net_card *card;
    for (unsigned i = 0; (card = net_card_get(i)) != NULL; i++) {
        bool up = net_card_has_address(card);
        uint32_t address = up ? ip4_addr_get_u32(netif_ip4_addr(&card->netif)) : 0;
        if (up == was_up[i] && address == last_address[i]) {
            continue;
        }
        bool went = was_up[i];
        was_up[i] = up;
        last_address[i] = address;
        if (up) {
            stop_autoip(&card->netif);
        }
        if (went) {
            report(card, CALLBACK_DOWN);
        }
        if (up) {
            report(card, CALLBACK_UP);
            hold(&up_held[i], false);
        }
    }
}

static mp_obj_t net_interface_on_up(mp_obj_t self_in, mp_obj_t callback) {
    struct net_card *card = network_lan_card(self_in);
    net_set_callback(slot(card, CALLBACK_UP), callback, 1, "the interface");
    // Called at once if it is up, and a program that waits for it does not end before it is.
    was_up[card->index] = false;
    hold(&up_held[card->index], net_has(callback));
    net_schedule();
    return callback;
}
MP_DEFINE_CONST_FUN_OBJ_2(net_interface_on_up_obj, net_interface_on_up);

static mp_obj_t net_interface_on_down(mp_obj_t self_in, mp_obj_t callback) {
    struct net_card *card = network_lan_card(self_in);
    return net_set_callback(slot(card, CALLBACK_DOWN), callback, 1, "the interface");
}
MP_DEFINE_CONST_FUN_OBJ_2(net_interface_on_down_obj, net_interface_on_down);

// --- frames -------------------------------------------------------------------------------------

static void release(net_frame_obj_t *self) {
    if (self->frame.data != NULL) {
        self->frame.data = NULL;
        self->frame.size = 0;
        if (self->kept) {
            virtio_net_release(self->device, self->frame.buffer);
            virtio_net_flush(self->device);
        }
    }
}

static bool on_frame(unsigned index, struct virtio_net_frame *frame, bool *held) {
    struct net_card *card = net_card_get(index);
    net_frame_obj_t *object = NULL;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        object = mp_obj_malloc_with_finaliser(net_frame_obj_t, &net_frame_type);
        nlr_pop();
    }
    if (object == NULL) {
        return false;
    }
    object->frame = *frame;
    object->device = card->device;
    object->card = (uint8_t)index;
    object->kept = false;
    mp_obj_t argument = MP_OBJ_FROM_PTR(object);
    mp_obj_t result = os_call(network_lan_get(index), "net.Interface on_frame",
        *slot(card, CALLBACK_FRAME), 1, &argument);
    *held = object->kept && object->frame.data != NULL;
    if (object->kept && object->frame.data == NULL) {
        *held = true; // kept and released in one call: the card has it back already
    }
    if (!object->kept) {
        object->frame.data = NULL;
        object->frame.size = 0;
    }
    return result == mp_const_true;
}

static mp_obj_t net_interface_on_frame(mp_obj_t self_in, mp_obj_t callback) {
    struct net_card *card = network_lan_card(self_in);
    net_set_callback(slot(card, CALLBACK_FRAME), callback, 1, "the frame");
    card->frame_hook = net_has(callback) ? on_frame : NULL;
    virtio_net_raw(card->device, card->frame_hook != NULL);
    hold(&frame_held[card->index], net_has(callback));
    return callback;
}
MP_DEFINE_CONST_FUN_OBJ_2(net_interface_on_frame_obj, net_interface_on_frame);

static mp_obj_t net_interface_send_frame(mp_obj_t self_in, mp_obj_t data) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, MP_BUFFER_READ);
    int ret = net_card_send(network_lan_card(self_in), buffer.buf, buffer.len);
    if (ret < 0) {
        mp_raise_OSError(-ret);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(net_interface_send_frame_obj, net_interface_send_frame);

static mp_obj_t net_frame_keep(mp_obj_t self_in) {
    net_frame_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->frame.data == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("the frame is gone"));
    }
    if (!self->kept) {
        const struct net_card *card = net_card_get(self->card);
        if (virtio_net_posted(self->device) <= card->posted_min) {
            mp_raise_OSError(MP_ENOBUFS);
        }
        self->kept = true;
    }
    return self_in;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_frame_keep_obj, net_frame_keep);

static mp_obj_t net_frame_release(mp_obj_t self_in) {
    release(MP_OBJ_TO_PTR(self_in));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_frame_release_obj, net_frame_release);

static mp_obj_t net_frame_exit(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return net_frame_release(args[0]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(net_frame_exit_obj, 4, 4, net_frame_exit);

static mp_int_t net_frame_get_buffer(mp_obj_t self_in, mp_buffer_info_t *buffer,
    mp_uint_t flags) {
    net_frame_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->frame.data == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("the frame is gone: keep() it, or bytes(frame)"));
    }
    if (flags & MP_BUFFER_WRITE) {
        return 1;
    }
    buffer->buf = self->frame.data;
    buffer->len = self->frame.size;
    buffer->typecode = BYTEARRAY_TYPECODE;
    return 0;
}

static mp_obj_t net_frame_unary_op(mp_unary_op_t op, mp_obj_t self_in) {
    net_frame_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (op) {
        case MP_UNARY_OP_LEN:
            return MP_OBJ_NEW_SMALL_INT(self->frame.size);
        case MP_UNARY_OP_BOOL:
            return mp_obj_new_bool(self->frame.size > 0);
        default:
            return MP_OBJ_NULL;
    }
}

// frame[i] is a byte, frame[a:b] bytes.
static mp_obj_t net_frame_subscr(mp_obj_t self_in, mp_obj_t index, mp_obj_t value) {
    net_frame_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (value != MP_OBJ_SENTINEL) {
        return MP_OBJ_NULL;
    }
    if (mp_obj_is_type(index, &mp_type_slice)) {
        mp_bound_slice_t slice;
        if (!mp_seq_get_fast_slice_indexes(self->frame.size, index, &slice)) {
            mp_raise_NotImplementedError(MP_ERROR_TEXT("only slices with step=1 are supported"));
        }
        return mp_obj_new_bytes(self->frame.data + slice.start, slice.stop - slice.start);
    }
    size_t i = mp_get_index(self->base.type, self->frame.size, index, false);
    return MP_OBJ_NEW_SMALL_INT(self->frame.data[i]);
}

static const mp_rom_map_elem_t net_frame_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_keep), MP_ROM_PTR(&net_frame_keep_obj) },
    { MP_ROM_QSTR(MP_QSTR_release), MP_ROM_PTR(&net_frame_release_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&net_frame_release_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&net_frame_keep_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&net_frame_exit_obj) },
};
static MP_DEFINE_CONST_DICT(net_frame_locals_dict, net_frame_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    net_frame_type,
    MP_QSTR_Frame,
    MP_TYPE_FLAG_NONE,
    unary_op, net_frame_unary_op,
    subscr, net_frame_subscr,
    buffer, net_frame_get_buffer,
    locals_dict, &net_frame_locals_dict
    );

// --- attributes ---------------------------------------------------------------------------------

static mp_obj_t stats(const struct net_card *card) {
    const struct virtio_net_stats *s = virtio_net_stats(card->device);
    const struct {
        qstr name;
        uint64_t value;
    } table[] = {
        { MP_QSTR_rx_frames, s->rx_frames }, { MP_QSTR_rx_bytes, s->rx_bytes },
        { MP_QSTR_rx_dropped, s->rx_dropped }, { MP_QSTR_rx_no_memory, card->rx_no_memory },
        { MP_QSTR_tx_frames, s->tx_frames }, { MP_QSTR_tx_bytes, s->tx_bytes },
        { MP_QSTR_tx_full, s->tx_full }, { MP_QSTR_interrupts, s->interrupts },
        { MP_QSTR_violations, s->violations }, { MP_QSTR_resets, s->resets },
        { MP_QSTR_buffers, virtio_net_posted(card->device) },
    };
    mp_obj_t dict = mp_obj_new_dict(MP_ARRAY_SIZE(table));
    for (size_t i = 0; i < MP_ARRAY_SIZE(table); i++) {
        mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(table[i].name),
            mp_obj_new_int_from_ull(table[i].value));
    }
    return dict;
}

void network_lan_attr(mp_obj_t self_in, qstr name, mp_obj_t *destination) {
    if (destination[0] != MP_OBJ_NULL) {
        return;
    }
    struct net_card *card = network_lan_card(self_in);
    char text[20];
    if (name == MP_QSTR_name) {
        snprintf(text, sizeof(text), "eth%u", card->index);
        destination[0] = mp_obj_new_str_from_cstr(text);
    } else if (name == MP_QSTR_mac) {
        const uint8_t *mac = card->netif.hwaddr;
        snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
            mac[3], mac[4], mac[5]);
        destination[0] = mp_obj_new_str_from_cstr(text);
    } else if (name == MP_QSTR_address) {
        destination[0] = net_card_has_address(card) ? net_address_text(&card->netif.ip_addr) :
            mp_const_none;
    } else if (name == MP_QSTR_is_up) {
        destination[0] = mp_obj_new_bool(net_card_has_address(card));
    } else if (name == MP_QSTR_stats) {
        destination[0] = stats(card);
    } else {
        destination[1] = MP_OBJ_SENTINEL;
    }
}

// --- net.config() -------------------------------------------------------------------------------

static bool parse_prefix(const char *text, ip4_addr_t *address, ip4_addr_t *mask) {
    char plain[IP4ADDR_STRLEN_MAX];
    const char *slash = strchr(text, '/');
    size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (length >= sizeof(plain)) {
        return false;
    }
    memcpy(plain, text, length);
    plain[length] = '\0';
    unsigned bits = 24;
    if (slash != NULL) {
        bits = 0;
        for (const char *p = slash + 1; *p != '\0'; p++) {
            if (*p < '0' || *p > '9' || bits > 32) {
                return false;
            }
            bits = bits * 10 + (unsigned)(*p - '0');
        }
    }
    mask->addr = bits == 0 ? 0 : lwip_htonl(0xffffffffu << (32 - bits));
    return bits <= 32 && ip4addr_aton(plain, address);
}

static mp_obj_t net_config(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_address, ARG_gateway, ARG_dns, ARG_nic };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_address, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_QSTR(MP_QSTR_dhcp) } },
        { MP_QSTR_gateway, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_dns, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_nic, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    mp_obj_t nic = args[ARG_nic].u_obj;
    if (nic != mp_const_none && !mp_obj_is_type(nic, &network_lan_type)) {
        mp_raise_TypeError(MP_ERROR_TEXT("nic is not a net.Interface"));
    }
    struct net_card *card = nic == mp_const_none ? net_card_get(0) : network_lan_card(nic);
    if (card == NULL) {
        mp_raise_OSError(MP_ENODEV);
    }
    const char *text = mp_obj_str_get_str(args[ARG_address].u_obj);
    ip4_addr_t address, mask, gateway;
    bool has_gateway = args[ARG_gateway].u_obj != mp_const_none;
    if (has_gateway && !ip4addr_aton(mp_obj_str_get_str(args[ARG_gateway].u_obj), &gateway)) {
        mp_raise_ValueError(MP_ERROR_TEXT("gateway is not an address"));
    }
    if (strcmp(text, "dhcp") == 0) {
        net_card_dhcp(card);
    } else if (parse_prefix(text, &address, &mask)) {
        net_card_static(card, &address, &mask, has_gateway ? &gateway : NULL);
    } else {
        mp_raise_ValueError(MP_ERROR_TEXT("address is dhcp or A.B.C.D/N"));
    }
    if (args[ARG_dns].u_obj != mp_const_none) {
        ip_addr_t dns;
        if (!ipaddr_aton(mp_obj_str_get_str(args[ARG_dns].u_obj), &dns)) {
            mp_raise_ValueError(MP_ERROR_TEXT("dns is not an address"));
        }
        dns_setserver(0, &dns);
    }
    net_schedule();
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(net_config_obj, 0, net_config);

static mp_obj_t net_interfaces(void) {
    mp_obj_t items[VIRTIO_NET_MAX];
    size_t count = 0;
    while (net_card_get((unsigned)count) != NULL) {
        items[count] = network_lan_get((unsigned)count);
        count++;
    }
    return mp_obj_new_tuple(count, items);
}
MP_DEFINE_CONST_FUN_OBJ_0(net_interfaces_obj, net_interfaces);

void net_interface_reset(void) {
    for (unsigned i = 0; i < VIRTIO_NET_MAX; i++) {
        hold(&up_held[i], false);
        hold(&frame_held[i], false);
        was_up[i] = false;
    }
    for (unsigned i = 0; i < VIRTIO_NET_MAX * CALLBACK_COUNT; i++) {
        MP_STATE_VM(net_interface_callbacks)[i] = MP_OBJ_NULL;
    }
}

MP_REGISTER_ROOT_POINTER(mp_obj_t net_interface_callbacks[8 * 3]);
_Static_assert(VIRTIO_NET_MAX * CALLBACK_COUNT == 8 * 3, "the root pointers' size");
