// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The life of `net` objects, and small conversions that all of them use.

#include "net_object.h"

#include <string.h>

#include "lwip/pbuf.h"
#include "py/objstr.h"

#include "events.h"
#include "netif_virtio.h"

// Deferred objects are active, so they are reachable from the root.
static net_obj_t *deferred_first, *deferred_last;

void *net_object_new(const mp_obj_type_t *type, size_t size, void (*reset)(net_obj_t *object)) {
    net_obj_t *object = m_malloc0(size);
    object->base.type = type;
    object->reset = reset;
    object->referenced = true;
    return object;
}

static void update_hold(net_obj_t *object) {
    bool hold = object->active && object->referenced;
    if (hold && !object->held) {
        os_hold();
    } else if (!hold && object->held) {
        os_release();
    }
    object->held = hold;
}

void net_object_activate(net_obj_t *object) {
    if (!object->active) {
        object->active = true;
        object->previous = NULL;
        object->next = MP_STATE_VM(net_objects);
        if (object->next != NULL) {
            object->next->previous = object;
        }
        MP_STATE_VM(net_objects) = object;
        update_hold(object);
    }
}

void net_object_deactivate(net_obj_t *object) {
    if (!object->active) {
        return;
    }
    object->active = false;
    update_hold(object);
    if (object->previous != NULL) {
        object->previous->next = object->next;
    } else {
        MP_STATE_VM(net_objects) = object->next;
    }
    if (object->next != NULL) {
        object->next->previous = object->previous;
    }
    object->next = object->previous = NULL;
}

void net_object_defer(net_obj_t *object, void (*fn)(net_obj_t *object)) {
    bool queued = object->deferred != NULL;
    object->deferred = fn;
    if (!queued) {
        object->next_deferred = NULL;
        if (deferred_last != NULL) {
            deferred_last->next_deferred = object;
        } else {
            deferred_first = object;
        }
        deferred_last = object;
        net_schedule();
    }
}

void net_objects_run(void) {
    // Only what is there now: a callback that goes on and on must not hold up the stack.
    net_obj_t *last = deferred_last;
    net_obj_t *object = NULL;
    while (deferred_first != NULL && object != last) {
        object = deferred_first;
        deferred_first = object->next_deferred;
        if (deferred_first == NULL) {
            deferred_last = NULL;
        }
        object->next_deferred = NULL;
        void (*fn)(net_obj_t *object) = object->deferred;
        object->deferred = NULL;
        fn(object);
    }
    if (deferred_first != NULL) {
        net_schedule();
    }
}

void net_objects_reset(void) {
    deferred_first = deferred_last = NULL;
    net_obj_t *object;
    while ((object = MP_STATE_VM(net_objects)) != NULL) {
        object->deferred = NULL;
        object->reset(object);
        net_object_deactivate(object);
    }
}

static mp_obj_t net_object_ref(mp_obj_t self_in) {
    net_obj_t *self = MP_OBJ_TO_PTR(self_in);
    self->referenced = true;
    update_hold(self);
    return self_in;
}
MP_DEFINE_CONST_FUN_OBJ_1(net_object_ref_obj, net_object_ref);

static mp_obj_t net_object_unref(mp_obj_t self_in) {
    net_obj_t *self = MP_OBJ_TO_PTR(self_in);
    self->referenced = false;
    update_hold(self);
    return self_in;
}
MP_DEFINE_CONST_FUN_OBJ_1(net_object_unref_obj, net_object_unref);

// --- conversions --------------------------------------------------------------------------------

mp_obj_t net_set_callback(mp_obj_t *slot, mp_obj_t callback, size_t count, const char *what) {
    if (callback != mp_const_none) {
        os_callback_check(callback, count, what);
    }
    *slot = callback;
    return callback;
}

mp_obj_t net_address_text(const ip_addr_t *ip) {
    char text[IPADDR_STRLEN_MAX];
    ipaddr_ntoa_r(ip, text, sizeof(text));
    return mp_obj_new_str_from_cstr(text);
}

mp_obj_t net_address(const ip_addr_t *ip, uint16_t port) {
    mp_obj_t items[2] = { net_address_text(ip), MP_OBJ_NEW_SMALL_INT(port) };
    return mp_obj_new_tuple(2, items);
}

uint16_t net_port(mp_obj_t port_in) {
    mp_int_t port = mp_obj_get_int(port_in);
    if (port < 0 || port > 0xffff) {
        mp_raise_ValueError(MP_ERROR_TEXT("port must be 0 to 65535"));
    }
    return (uint16_t)port;
}

mp_obj_t net_bytes(const struct pbuf *p, size_t offset) {
    size_t size = p->tot_len - offset;
    byte *data = m_new_maybe(byte, size + 1);
    mp_obj_str_t *str = m_new_obj_maybe(mp_obj_str_t);
    if (data == NULL || str == NULL) {
        return MP_OBJ_NULL;
    }
    pbuf_copy_partial(p, data, (u16_t)size, (u16_t)offset);
    data[size] = '\0';
    str->base.type = &mp_type_bytes;
    str->data = data;
    str->len = size;
    str->hash = 0; // computed when somebody asks: most data is never a key
    return MP_OBJ_FROM_PTR(str);
}

MP_REGISTER_ROOT_POINTER(struct _net_obj_t *net_objects);
