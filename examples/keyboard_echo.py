# A driver for the PS/2 keyboard: what is typed in the window of the virtual machine appears on
# the console. Escape ends it. The table is for the US layout, scan code set 1.
#
# importos run --machine pc keyboard_echo.py --qemu-arg=-vga --qemu-arg=std \
#     --qemu-arg=-display --qemu-arg=gtk
import os
from machine import port8

DATA, STATUS, COMMAND = 0x60, 0x64, 0x64
ESCAPE, CTRL, SHIFTS, RELEASED = 1, 29, (42, 54), 0x80

PLAIN = "\0\x1b1234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 "
SHIFTED = '\0\x1b!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:"~\0|ZXCVBNM<>?\0*\0 '

held = set()


def key(code):
    """A key was pressed (or, with bit 7, released)."""
    if code & RELEASED:
        held.discard(code & ~RELEASED)
        return
    held.add(code)
    if code == ESCAPE:
        os.exit()
    if code < len(PLAIN):
        shifted = any(shift in held for shift in SHIFTS)
        print((SHIFTED if shifted else PLAIN)[code], end="")


@os.subscribe("keyboard")
def interrupt(event):
    while port8[STATUS] & 1:  # the controller has a byte for us
        key(port8[DATA])


def command(byte):
    while port8[STATUS] & 2:  # it has not yet taken the last one
        pass
    port8[COMMAND] = byte


while port8[STATUS] & 1:
    port8[DATA]  # what the firmware left behind
command(0xAE)  # keyboard on
command(0x60)  # the next byte configures the controller:
port8[DATA] = 0x45  # interrupts, and scan codes translated to set 1
print("Type into the machine's window; Escape ends.")
