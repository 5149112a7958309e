# A metronome that measures its own jitter: how far each beat is off the first one's time.
#
# mkimage metronome.py --run
import os
import time

PERIOD_MS = 10
BEATS = 200

off_us = []
first_us = None


@os.every(PERIOD_MS)
def beat(event):
    global first_us
    # The n-th beat is due n periods after the start, however late the others were.
    due_us = event.count * PERIOD_MS * 1000
    if first_us is None:
        first_us = time.ticks_add(event.time_us, -due_us)
    off_us.append(time.ticks_diff(event.time_us, first_us) - due_us)
    if event.count >= BEATS:
        event.cancel()
        report(event.count - len(off_us))


def report(merged):
    off_us.sort()
    median = off_us[len(off_us) // 2]
    print(f"{len(off_us)} beats, {off_us[0]} to {off_us[-1]} us off, median {median} us")
    print(f"{merged} more were merged with the next one, none lost")
