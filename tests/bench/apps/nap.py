# Sleeps for SECONDS, then ends by QEMU's debug-exit device: what does a second of nothing cost?
import sys
import time

SECONDS = 1
time.sleep(SECONDS)
sys.exit(1)
