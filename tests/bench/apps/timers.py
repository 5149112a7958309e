# Timer accuracy: how late does a 10 ms sleep return? Prints microseconds over the 10 ms.
import time

if hasattr(time, "ticks_us"):
    ticks = time.ticks_us
    diff = time.ticks_diff
    sleep = lambda: time.sleep_ms(10)
else:
    ticks = lambda: time.perf_counter_ns() // 1000
    diff = lambda a, b: a - b
    sleep = lambda: time.sleep(0.01)

late = []
for _ in range(20):
    sleep()
for _ in range(300):
    t0 = ticks()
    sleep()
    late.append(diff(ticks(), t0) - 10000)
late.sort()
n = len(late)
print(
    "LATE min %d p50 %d p90 %d p99 %d max %d"
    % (late[0], late[n // 2], late[n * 9 // 10], late[n * 99 // 100], late[-1])
)
print("READY")
