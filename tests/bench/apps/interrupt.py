# From a timer's interrupt to the first bytecode of its callback, in nanoseconds, which are
# instructions under -icount shift=0. ImportOS only: Linux has no such thing to offer.
import os
import time

from _os import _clock, _due


def measure(hard):
    late = []
    now = [0]

    def tick(event):
        now[0] = _clock() - _due(event)

    for _ in range(50):
        os.after("1ms", tick, hard=hard)
        time.sleep_ms(2)
        late.append(now[0])
    return sorted(late)[25]


print("soft", measure(False))
print("hard", measure(True))
print("READY")
