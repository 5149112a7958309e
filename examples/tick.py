# A timer calls a function; the machine sleeps in between, and ends with the last timer.
#
# mkimage tick.py --run
import os


@os.every("1s")
def tick(event):
    print("tick", event.count)
    if event.count == 3:
        event.cancel()
