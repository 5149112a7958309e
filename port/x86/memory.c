// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Who owns which RAM, and the page tables (Intel SDM volume 3, 4.5). The loader's map is carved
// into free regions; the rest is mapped so that what can be told apart is: code read and execute,
// constants and payload read, everything else read and write; nothing at page 0 and below the
// stacks.

#include "memory.h"

#include <string.h>

#include "boot_info.h"
#include "cpu.h"
#include "panic.h"
#include "payload.h"

#define LARGE_PAGE_SIZE (2u << 20)
#define TABLE_ENTRIES 512

#define PTE_PRESENT (1ull << 0)
#define PTE_WRITE (1ull << 1)
#define PTE_WRITE_THROUGH (1ull << 3)
#define PTE_CACHE_DISABLE (1ull << 4)
#define PTE_LARGE (1ull << 7)
#define PTE_NO_EXECUTE (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull

#define EFER_NXE (1ull << 11)

// The executable view of the pool lies this far above the writable one, in the next 512 GiB, which
// no physical address that we map reaches.
#define EXEC_VIEW (1ull << 39)
#define PHYSICAL_MAX (1ull << 39)
#define EXEC_POOL_MIN (64u << 10)
#define EXEC_POOL_MAX (4u << 20)
#define EXEC_POOL_SHARE 64 // of all RAM
#define EXEC_ALIGN 16

#define DMA_MAX (4ull << 30)

// Tables for what is mapped after boot (devices): few, since each covers 2 MiB or 1 GiB.
#define SPARE_TABLES 8

extern uint8_t kernel_start[], kernel_end[];
extern uint8_t text_start[], text_end[], rodata_end[];
extern uint8_t main_stack_guard[], irq_stack_guard[], fault_stack_guard[];
extern uint8_t double_fault_stack_guard[], nmi_stack_guard[];

static struct memory_region free_regions[MEMORY_REGION_MAX];
static unsigned free_count;
static uint64_t total_ram;

static uint64_t *top_table;
static uint64_t no_execute; // PTE_NO_EXECUTE, or 0 on a CPU without it
static uint8_t *spare_tables;
static unsigned spare_count;

static uint8_t *exec_pool;
static size_t exec_size, exec_used;

static uintptr_t align_up(uintptr_t value, uintptr_t align) {
    return (value + align - 1) & ~(align - 1);
}

// --- Free regions -------------------------------------------------------------------------------

static void remove_region(unsigned index) {
    free_regions[index] = free_regions[--free_count];
}

static void add_free(uint64_t start, uint64_t end) {
    start = align_up(start, PAGE_SIZE);
    end &= ~(uint64_t)(PAGE_SIZE - 1);
    if (start < end && free_count < MEMORY_REGION_MAX) {
        free_regions[free_count++] = (struct memory_region) { start, end - start };
    }
}

// Take [start, end) out of every free region.
static void subtract(uint64_t start, uint64_t end) {
    for (unsigned i = 0; i < free_count;) {
        uint64_t a = free_regions[i].start;
        uint64_t b = a + free_regions[i].size;
        if (end <= a || start >= b) {
            i++;
            continue;
        }
        remove_region(i);
        if (start > a) {
            add_free(a, start);
        }
        if (end < b) {
            add_free(end, b);
        }
        i = 0; // the pieces stand at the end, and do not overlap any more
    }
}

static uintptr_t payload_end(void) {
    size_t size;
    const void *payload = memory_payload(&size);
    return payload != NULL ? (uintptr_t)payload + size : (uintptr_t)kernel_end;
}

static void carve(void) {
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.region[i];
        if (region->usable && region->start < PHYSICAL_MAX) {
            total_ram += region->size;
            add_free(region->start, region->start + region->size);
        }
    }
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.region[i];
        if (!region->usable) {
            subtract(region->start & ~(uint64_t)(PAGE_SIZE - 1), region->start + region->size);
        }
    }
    subtract(0, PAGE_SIZE);
    subtract((uintptr_t)kernel_start, align_up(payload_end(), PAGE_SIZE));
    for (unsigned i = 0; i < boot_info.module_count; i++) {
        subtract(boot_info.module[i].start & ~(uint64_t)(PAGE_SIZE - 1),
            boot_info.module[i].start + boot_info.module[i].size);
    }
    if (free_count == 0) {
        panic("memory: no usable RAM in %u regions of the boot loader's map",
            boot_info.region_count);
    }
}

unsigned memory_regions(const struct memory_region **regions) {
    for (unsigned i = 1; i < free_count; i++) { // insertion sort, largest first
        struct memory_region region = free_regions[i];
        unsigned at = i;
        while (at > 0 && free_regions[at - 1].size < region.size) {
            free_regions[at] = free_regions[at - 1];
            at--;
        }
        free_regions[at] = region;
    }
    *regions = free_regions;
    return free_count;
}

uint64_t memory_total(void) {
    return total_ram;
}

// Take whole pages below (limit) out of the free regions, as they are.
static void *take_raw(size_t size, size_t align, uint64_t limit) {
    struct memory_region *best = NULL;
    for (unsigned i = 0; i < free_count; i++) {
        struct memory_region *region = &free_regions[i];
        uintptr_t start = align_up(region->start, align);
        // The smallest that will do, so that the largest stays whole for Python.
        if (start + size <= region->start + region->size && start + size <= limit
            && (best == NULL || region->size < best->size)) {
            best = region;
        }
    }
    if (best == NULL) {
        return NULL;
    }
    uintptr_t start = align_up(best->start, align);
    subtract(start, align_up(start + size, PAGE_SIZE));
    return (void *)start;
}

static void *take(size_t size, size_t align, uint64_t limit) {
    void *start = take_raw(size, align, limit);
    return start != NULL ? memset(start, 0, align_up(size, PAGE_SIZE)) : NULL;
}

void *memory_alloc(size_t size, size_t align) {
    return take(size, align < PAGE_SIZE ? PAGE_SIZE : align, PHYSICAL_MAX);
}

void *dma_alloc(size_t size) {
    return take(size, PAGE_SIZE, DMA_MAX);
}

// --- Page tables --------------------------------------------------------------------------------

static uint64_t *new_table(void) {
    if (spare_count != 0) {
        return (uint64_t *)(spare_tables + --spare_count * PAGE_SIZE);
    }
    // While the boot tables are in force only the first GiB can be written.
    return spare_tables == NULL ? take(PAGE_SIZE, PAGE_SIZE, 1u << 30) : NULL;
}

// The entry for (address) at (level) 1 (4 KiB) or 2 (2 MiB); makes the tables above it, and splits
// a large page in its way. NULL if there is no table left.
static uint64_t *entry_for(uintptr_t address, unsigned level) {
    uint64_t *table = top_table;
    for (unsigned at = 4; at > level; at--) {
        unsigned shift = 12 + 9 * (at - 1);
        uint64_t *entry = &table[address >> shift & (TABLE_ENTRIES - 1)];
        if (!(*entry & PTE_PRESENT)) {
            uint64_t *below = new_table();
            if (below == NULL) {
                return NULL;
            }
            *entry = (uintptr_t)below | PTE_PRESENT | PTE_WRITE;
        } else if (*entry & PTE_LARGE) {
            uint64_t *below = new_table();
            if (below == NULL) {
                return NULL;
            }
            for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
                below[i] = (*entry & ~PTE_LARGE) + (uint64_t)i * PAGE_SIZE;
            }
            *entry = (uintptr_t)below | PTE_PRESENT | PTE_WRITE;
        }
        table = (uint64_t *)(uintptr_t)(*entry & PTE_ADDRESS);
    }
    return &table[address >> (12 + 9 * (level - 1)) & (TABLE_ENTRIES - 1)];
}

// Map [address, end) to the physical memory at (physical). (flags) 0 makes it absent. Returns
// false if a table was missing.
static bool map(uintptr_t address, uintptr_t end, uintptr_t physical, uint64_t flags) {
    uintptr_t offset = physical - address;
    while (address < end) {
        bool large = address % LARGE_PAGE_SIZE == 0 && end - address >= LARGE_PAGE_SIZE
            && offset % LARGE_PAGE_SIZE == 0 && flags != 0;
        uint64_t *entry = entry_for(address, large ? 2 : 1);
        if (entry == NULL) {
            return false;
        }
        *entry = flags == 0 ? 0 : ((address + offset) | flags | (large ? PTE_LARGE : 0));
        address += large ? LARGE_PAGE_SIZE : PAGE_SIZE;
    }
    return true;
}

static void map_or_panic(uintptr_t start, uintptr_t end, uint64_t flags) {
    if (!map(start, end, start, flags)) {
        panic("memory: no room for page tables");
    }
}

static void map_ram(void) {
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.region[i];
        if (region->usable && region->start < PHYSICAL_MAX) {
            // Outwards to large pages: firmware tables lie in the reserved bytes next to RAM.
            uintptr_t start = region->start & ~(uintptr_t)(LARGE_PAGE_SIZE - 1);
            uintptr_t end = align_up(region->start + region->size, LARGE_PAGE_SIZE);
            map_or_panic(start, end, PTE_PRESENT | PTE_WRITE | no_execute);
        }
    }
}

static void protect_kernel(void) {
    uintptr_t end = align_up(payload_end(), PAGE_SIZE);
    map_or_panic((uintptr_t)kernel_start, (uintptr_t)text_start,
        PTE_PRESENT | PTE_WRITE | no_execute);
    map_or_panic((uintptr_t)text_start, (uintptr_t)text_end, PTE_PRESENT);
    map_or_panic((uintptr_t)text_end, (uintptr_t)rodata_end, PTE_PRESENT | no_execute);
    uintptr_t data_end = align_up((uintptr_t)kernel_end, PAGE_SIZE);
    map_or_panic((uintptr_t)rodata_end, data_end, PTE_PRESENT | PTE_WRITE | no_execute);
    map_or_panic(data_end, end, PTE_PRESENT | no_execute);
    uint8_t *const absent[] = {
        NULL, main_stack_guard, irq_stack_guard, fault_stack_guard, double_fault_stack_guard,
        nmi_stack_guard,
    };
    for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        map_or_panic((uintptr_t)absent[i], (uintptr_t)absent[i] + PAGE_SIZE, 0);
    }
}

static void reserve_exec_pool(void) {
    exec_size = total_ram / EXEC_POOL_SHARE & ~(uint64_t)(PAGE_SIZE - 1);
    exec_size = exec_size < EXEC_POOL_MIN ? EXEC_POOL_MIN : exec_size;
    exec_size = exec_size > EXEC_POOL_MAX ? EXEC_POOL_MAX : exec_size;
    exec_pool = take_raw(exec_size, PAGE_SIZE, 1u << 30); // not zeroed: code overwrites it
    if (exec_pool == NULL) {
        exec_size = 0;
        return;
    }
    uintptr_t view = (uintptr_t)exec_pool + EXEC_VIEW;
    if (!map(view, view + exec_size, (uintptr_t)exec_pool, PTE_PRESENT)) {
        panic("memory: no room for page tables");
    }
}

void memory_init(void) {
    no_execute = rdmsr(MSR_EFER) & EFER_NXE ? PTE_NO_EXECUTE : 0;
    carve();
    top_table = new_table();
    if (top_table == NULL) {
        panic("memory: no room for page tables");
    }
    map_ram();
    protect_kernel();
    reserve_exec_pool();
    uint8_t *spares = take(SPARE_TABLES * PAGE_SIZE, PAGE_SIZE, 1u << 30);
    if (spares == NULL) {
        panic("memory: no room for page tables");
    }
    write_cr3((uintptr_t)top_table);
    spare_tables = spares;
    spare_count = SPARE_TABLES;
}

static bool is_mapped(uintptr_t address) {
    uint64_t *table = top_table;
    for (unsigned at = 4; at > 0; at--) {
        uint64_t entry = table[address >> (12 + 9 * (at - 1)) & (TABLE_ENTRIES - 1)];
        if (!(entry & PTE_PRESENT)) {
            return false;
        }
        if (at == 1 || entry & PTE_LARGE) {
            return true;
        }
        table = (uint64_t *)(uintptr_t)(entry & PTE_ADDRESS);
    }
    return false;
}

uintptr_t memory_map_device(uint64_t address, size_t size) {
    uintptr_t end = address + size;
    if (size == 0 || end < address || end > PHYSICAL_MAX) {
        return 0;
    }
    uint64_t flags = PTE_PRESENT | PTE_WRITE | PTE_CACHE_DISABLE | PTE_WRITE_THROUGH | no_execute;
    for (uintptr_t page = address & ~(uintptr_t)(PAGE_SIZE - 1); page < end; page += PAGE_SIZE) {
        if (!is_mapped(page)) {
            uint64_t state = irq_save();
            bool mapped = map(page, page + PAGE_SIZE, page, flags);
            irq_restore(state);
            if (!mapped) {
                return 0;
            }
        }
    }
    return address;
}

// --- Executable pool ----------------------------------------------------------------------------

void *exec_alloc(size_t size) {
    size = align_up(size, EXEC_ALIGN);
    if (size > exec_size - exec_used) {
        return NULL;
    }
    void *start = exec_pool + exec_used;
    exec_used += size;
    return start;
}

void *exec_address(void *writable) {
    return (uint8_t *)writable + EXEC_VIEW;
}

void exec_reset(void) {
    exec_used = 0;
}

size_t exec_free(void) {
    return exec_size - exec_used;
}

// --- Payload ------------------------------------------------------------------------------------

const void *memory_payload(size_t *size) {
    const struct payload_header *header =
        (const void *)align_up((uintptr_t)kernel_end, PAGE_SIZE);
    const char *magic = PAYLOAD_MAGIC;
    for (unsigned i = 0; i < sizeof(header->magic); i++) {
        if (header->magic[i] != magic[i]) {
            return NULL;
        }
    }
    if (header->version != PAYLOAD_VERSION || header->header_size != sizeof(*header)
        || header->size < sizeof(*header)) {
        return NULL;
    }
    *size = header->size;
    return header;
}
