# Answers ARP and pings for an address of its own from raw frames; the stack never sees them.
#
# mkimage ping_responder.py --env ADDRESS=10.0.0.7 ...        ping 10.0.0.7
import net
import os

ADDRESS = bytes(int(part) for part in (os.getenv("ADDRESS") or "10.0.0.7").split("."))
MAC = net.eth0.config("mac")
answered = 0


def answer_arp(frame):
    sender = frame[22:32]  # hardware and protocol address
    return frame[6:12] + MAC + frame[12:20] + b"\0\2" + MAC + ADDRESS + sender


def answer_echo(frame):
    reply = bytearray(frame)
    reply[0:6], reply[6:12] = frame[6:12], MAC
    reply[26:30], reply[30:34] = ADDRESS, frame[26:30]
    reply[34] = 0
    # From type 8 to 0 the message's sum falls by 0x0800, so its complement grows by that.
    total = (frame[36] << 8 | frame[37]) + 0x0800
    total = (total & 0xFFFF) + (total >> 16)
    reply[36], reply[37] = total >> 8, total & 0xFF
    return reply


@net.eth0.on_frame
def frame(frame):
    global answered
    kind = frame[12:14]
    if kind == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == ADDRESS:
        net.eth0.send_frame(answer_arp(frame))
        return True
    if (
        kind == b"\x08\x00"
        and frame[14] == 0x45
        and frame[23] == 1
        and frame[34] == 8
        and frame[30:34] == ADDRESS
    ):
        net.eth0.send_frame(answer_echo(frame))
        answered += 1
        if answered in (1, 10, 100, 1000):
            print("pings answered:", answered)
        return True
    return False


print("answering for", ".".join(str(part) for part in ADDRESS))
