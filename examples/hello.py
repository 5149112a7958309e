# The smallest app: it says where it runs and how long it took to get there.
import sys
import time

print("Hello from Python on bare metal!")
print(f"{sys.implementation.name} on {sys.platform}, {time.ticks_ms()} ms after the start")
