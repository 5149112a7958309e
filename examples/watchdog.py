# A watchdog: the machine is reset when the program stops feeding it.
#
# importos run watchdog.py
# importos run watchdog.py --qemu-arg=-device --qemu-arg=i6300esb        one in hardware
import os
from machine import WDT

watchdog = WDT(timeout=1000)
meals = os.every("200ms", lambda event: watchdog.feed())


@os.after("1500ms")
def hang(event):
    print("fed", meals.count, "times; now the program hangs")
    while True:
        pass
