// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Partition tables and superblocks: print what an image holds, or read it damaged at random places
// many times. Under the sanitizers; every partition must lie within the disk. Arguments: image,
// block size of the disk, rounds (0: print).

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume.h"

static uint8_t *image;
static size_t image_size;
static unsigned reads;

static int read_image(void *arg, uint64_t offset, void *data, size_t size) {
    (void)arg;
    reads++;
    if (offset > image_size || size > image_size - offset) {
        printf("volume: read past the end\n");
        exit(1);
    }
    memcpy(data, image + offset, size);
    return 0;
}

static void look(const struct volume *volume, int print) {
    static struct volume_partition list[VOLUME_PARTITION_MAX];
    struct volume_format format;
    reads = 0;
    int count = volume_partitions(volume, list, VOLUME_PARTITION_MAX);
    volume_detect(volume, &format);
    if (count < 0 || count > VOLUME_PARTITION_MAX || reads > 40000) {
        printf("volume: %d partitions, %u reads\n", count, reads);
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        if (list[i].size == 0 || list[i].start > volume->size ||
            list[i].size > volume->size - list[i].start) {
            printf("volume: partition %u is not on the disk\n", list[i].number);
            exit(1);
        }
        if (print) {
            printf("%u %lu %lu %02x %s\n", list[i].number, (unsigned long)list[i].start,
                (unsigned long)list[i].size, list[i].type, list[i].name);
        }
    }
    if (print) {
        printf("format %d %u %lu\n", format.kind, format.block_size,
            (unsigned long)format.block_count);
    }
}

// Damage where it matters: the first blocks, the last ones, and values that are limits.
static void damage(uint8_t *bytes) {
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xee, 0x05, 0x55, 0xaa, 0xff };
    for (int n = rand() % 8; n >= 0; n--) {
        size_t span = image_size < 20480 ? image_size : 20480;
        size_t at = (size_t)rand() % (rand() % 2 ? 512 : span);
        if (rand() % 4 == 0) {
            at = image_size - 1 - at;
        }
        bytes[at] = rand() % 2 ? (uint8_t)rand() : values[(size_t)rand() % sizeof(values)];
    }
}

int main(int argc, char **argv) {
    FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) {
        return 2;
    }
    fseek(file, 0, SEEK_END);
    image_size = (size_t)ftell(file);
    rewind(file);
    uint8_t *sound = malloc(image_size);
    image = malloc(image_size);
    if (fread(sound, 1, image_size, file) != image_size) {
        return 2;
    }
    fclose(file);
    struct volume volume = {
        .read = read_image, .size = image_size, .unit = (uint32_t)atoi(argv[2]),
    };
    int rounds = atoi(argv[3]);
    memcpy(image, sound, image_size);
    look(&volume, rounds == 0);
    for (int i = 0; i < rounds; i++) {
        memcpy(image, sound, image_size);
        damage(image);
        look(&volume, 0);
    }
    free(sound);
    free(image);
    return 0;
}
