# Reads and writes files on a disk, which is mounted at /data, or at / where there is no /data.
# Prints "name value" lines: MB/s, or operations per second, as (name) says.
import os
import random
import time

BASE = "/data/" if "data" in os.listdir("/") else "/"
CHUNK = 32768  # bytes of a request of the bulk tests
BULK = 8 << 20
PAGE = 4096  # bytes of a random request
SMALL = 1 << 20  # bytes of the file that is written at random places
RANDOM = 400


def forget():
    # What a kernel keeps of the file in its memory; without this it would not read the disk.
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
    except OSError:
        pass


# Not assert: mkimage leaves assertions out.
def check(right):
    if not right:
        raise ValueError("wrong data")


def timed(name, work, amount):
    start = time.ticks_us()
    work()
    print(name, amount * 1e6 / time.ticks_diff(time.ticks_us(), start))


def appends():
    with open(BASE + "log", "ab") as f:
        for i in range(APPENDS):
            f.write(b"%063d\n" % i)
            f.flush()


def write_bulk():
    data = bytes(range(256)) * (CHUNK // 256)
    with open(BASE + "bulk", "wb") as f:
        for _ in range(BULK // CHUNK):
            f.write(data)
        f.flush()


def read_bulk():
    buffer = bytearray(CHUNK)
    total = 0
    with open(BASE + "bulk", "rb") as f:
        while n := f.readinto(buffer):
            total += n
    check(total == BULK and buffer[-1] == 255)


def read_random():
    buffer = bytearray(PAGE)
    with open(BASE + "bulk", "rb") as f:
        for _ in range(RANDOM):
            f.seek(random.randrange(BULK // PAGE) * PAGE)
            check(f.readinto(buffer) == PAGE and buffer[255] == 255)


def write_random():
    data = bytes(PAGE)
    with open(BASE + "small", "r+b") as f:
        for _ in range(RANDOM // 4):
            f.seek(random.randrange(SMALL // PAGE) * PAGE)
            f.write(data)
        f.flush()


random.seed(1)
APPENDS = 300
appends()  # the first ones make the file
timed("appends", appends, APPENDS)
timed("write", write_bulk, BULK / 1e6)
forget()
timed("read", read_bulk, BULK / 1e6)
forget()
timed("random-read", read_random, RANDOM)
with open(BASE + "small", "wb") as f:
    for _ in range(SMALL // CHUNK):
        f.write(bytes(CHUNK))
    f.flush()
forget()
timed("random-write", write_random, RANDOM // 4)
print("END")
