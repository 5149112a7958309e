# A driver for the second serial port: what comes in goes out again.
#
# importos run com2_echo.py --qemu-arg=-serial --qemu-arg=pty
# QEMU tells the name of the terminal to talk to: importos console /dev/pts/N
import os
from machine import port8

DATA, INTERRUPTS, MODEM, STATUS = 0x2F8, 0x2F9, 0x2FC, 0x2FD


@os.subscribe("com2")
def received(event):
    while port8[STATUS] & 1:
        port8[DATA] = port8[DATA]


port8[MODEM] = 0x0B  # OUT2: lets interrupts through to the line
port8[INTERRUPTS] = 1  # one for each byte that comes in
