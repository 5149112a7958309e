# A name server for a zone of one's own: A, AAAA and TXT records out of a dictionary.
#
# mkimage dns_server.py --run -p 5353:53/udp        dig @127.0.0.1 -p 5353 www.example.test
import net
import struct

RECORDS = {
    ("www.example.test", "A"): "192.0.2.10",
    ("www.example.test", "AAAA"): "2001:db8::10",
    ("mail.example.test", "A"): "192.0.2.25",
    ("example.test", "TXT"): "served by Python on bare metal",
}
ZONE = "example.test"
TYPES = {1: "A", 16: "TXT", 28: "AAAA"}
TTL = 300
NO_ERROR, FORMAT_ERROR, NO_NAME, NOT_IMPLEMENTED, REFUSED = 0, 1, 3, 4, 5


def pack_address6(text):
    head, _, tail = text.partition("::")
    left = [int(part, 16) for part in head.split(":") if part]
    right = [int(part, 16) for part in tail.split(":") if part]
    words = left + [0] * (8 - len(left) - len(right)) + right
    return struct.pack("!8H", *words)


def pack(kind, value):
    if kind == "A":
        return bytes(int(part) for part in value.split("."))
    if kind == "AAAA":
        return pack_address6(value)
    return bytes((len(value),)) + value.encode()


# The answers are made once: type number and name -> record behind a pointer to the question.
ANSWERS = {}
for (name, kind), value in RECORDS.items():
    number = next(n for n in TYPES if TYPES[n] == kind)
    data = pack(kind, value)
    ANSWERS[name.encode(), number] = (
        b"\xc0\x0c" + struct.pack("!HHIH", number, 1, TTL, len(data)) + data
    )
NAMES = {name for name, _ in ANSWERS}


def parse_name(query):
    """The question's name in lower case, and where it ends. IndexError, ValueError if broken."""
    labels = []
    at = 12
    while True:
        size = query[at]
        at += 1
        if size == 0:
            return b".".join(labels).lower(), at
        if size > 63 or at + size >= len(query):
            raise ValueError
        labels.append(query[at : at + size])
        at += size


def answer(query):
    """The answer to one datagram; b"" for what deserves none."""
    if len(query) < 12 or query[2] & 0x80:
        return b""
    identity, flags, questions = struct.unpack("!HHH", query)
    flags = 0x8400 | flags & 0x0100
    try:
        if questions != 1 or (query[2] >> 3) & 15:
            raise ValueError
        name, end = parse_name(query)
        kind = query[end] << 8 | query[end + 1]
        end += 4
        if end > len(query):
            raise ValueError
    except (IndexError, ValueError):
        code = NOT_IMPLEMENTED if (query[2] >> 3) & 15 else FORMAT_ERROR
        return struct.pack("!HHHHHH", identity, flags | code, 0, 0, 0, 0)
    record = ANSWERS.get((name, kind), b"")
    code = NO_ERROR
    if not record and name not in NAMES:
        inside = name == ZONE.encode() or name.endswith(b"." + ZONE.encode())
        code = NO_NAME if inside else REFUSED
    head = struct.pack("!HHHHHH", identity, flags | code, 1, 1 if record else 0, 0, 0)
    return head + query[12:end] + record


@net.udp(53)
def server(packet):
    reply = answer(packet.data)
    if reply:
        packet.reply(reply)


print("serving", ZONE)
