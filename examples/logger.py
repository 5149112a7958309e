# Appends a record each second to a file that survives power cuts.
#
# importos disk create data.img
# importos run logger.py --disk data.img      (kill it at any moment, and run it again)
# importos disk cp data.img:/log.txt .
import os
import time

# With a disk, / is on it. Each start goes on where the last one was cut off.
try:
    with open("/log.txt") as log:
        number = sum(1 for line in log)
except OSError:
    number = 0
print("records so far:", number)

log = open("/log.txt", "a")  # noqa: SIM115 - open as long as the program


@os.every("1s")
def record(event):
    global number
    number += 1
    log.write(f"{number} uptime={time.ticks_ms()} free={os.stats().heap_free}\n")
    # From here on the record is kept, whatever happens to this machine.
    log.flush()
    os.sync()
    print("record", number, "is kept")
