# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What a socket's options, mDNS, DHCPv6 and TCP's options do on the wire."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from wire import (
    ACK,
    GUEST_IP,
    GUEST_MAC,
    IP6,
    PEER_IP,
    PEER_MAC,
    PSH,
    RST,
    SYN,
    TCP,
    UDP,
    Wire,
    checksum,
    ethernet,
    ip4,
    tcp,
    udp,
)

MDNS = ("224.0.0.251", 5353)
IGMP, ICMP6 = 2, 58
LINK_LOCAL = "fe80::5054:ff:fe12:3456"  # of GUEST_MAC
PEER6 = "fe80::1"
DNS6 = "2001:db8::53"


def segment(frame: bytes, by: int | None = None) -> tuple[int, bytes, bytes] | None:
    """(flags, options, data) of a TCP segment from the guest, to the port (by)."""
    if frame[12:14] != b"\x08\x00" or frame[23] != TCP:
        return None
    header = 34 + (frame[46] >> 4) * 4
    if by is not None and frame[36:38] != struct.pack("!H", by):
        return None
    total = struct.unpack("!H", frame[16:18])[0]
    return frame[47], frame[54:header], frame[header : 14 + total]


def numbers(frame: bytes) -> tuple[int, int]:
    """Sequence and acknowledgement of a TCP segment."""
    return struct.unpack("!II", frame[38:46])


def parse_options(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(data) and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        found[data[at]] = data[at + 2 : at + data[at + 1]]
        at += data[at + 1]
    return found


def option(kind: int, data: bytes = b"") -> bytes:
    return bytes((kind, 2 + len(data))) + data


def ip6(payload: bytes, protocol: int, source: str, to: str, hops: int = 255) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
    offset = {ICMP6: 2, UDP: 6}[protocol]
    pseudo = addresses + struct.pack("!II", len(payload), protocol)
    value = struct.pack("!H", checksum(pseudo + payload) or 0xFFFF)
    payload = payload[:offset] + value + payload[offset + 2 :]
    header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + addresses
    group = socket.inet_pton(socket.AF_INET6, to)
    mac = b"\x33\x33" + group[12:] if group[0] == 0xFF else GUEST_MAC
    return ethernet(header + payload, IP6, to=mac)


def udp6(data: bytes, by: int, port: int) -> bytes:
    return ip6(struct.pack("!HHHH", by, port, 8 + len(data), 0) + data, UDP, PEER6, LINK_LOCAL)


def question(name: str, kind: int, unicast: bool = False) -> bytes:
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split("."))
    header = struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack("!HH", kind, 1 | 0x8000 * unicast)


def mdns_answers(frame: bytes) -> bytes | None:
    """The DNS message of an mDNS response from the guest by IPv4."""
    if frame[12:14] != b"\x08\x00" or frame[23] != UDP or frame[34:36] != b"\x14\xe9":
        return None
    message = frame[42:]
    return message if message[2] & 0x80 else None


SOCKETS = """
import network, select, socket, struct, time
print(socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "2001:db8::1")),
      socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, "10.1.2.3")))

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 1234))
print("ready")
s.recv(10)
for size in (65508, 65536, 96 << 10, 200000):
    try:
        s.sendto(bytes(size), ("PEER", 9))
    except OSError as error:
        print(size, error.errno)
print(s.sendto(bytes(65507), ("PEER", 9)), s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE))
s.recv(10)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
s.sendto("ttl", ("PEER", 9))
group = socket.inet_pton(socket.AF_INET, "239.1.2.3")
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + bytes(4))
group6 = socket.inet_pton(socket.AF_INET6, "ff02::1:99")
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group6 + bytes(4))
print("joined", s.recv(100))
s.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, group + bytes(4))

listener = socket.socket()
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
listener.bind(("", 80))
listener.listen(1)
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("listening", listener.gettimeout())
c, _ = listener.accept()
c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
print(c.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
      c.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
try:
    print(c.recv(1))
except OSError as error:
    print("dead", error.errno, c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
c.close()
c, _ = listener.accept()
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
c.close()
for s in (c, listener):
    s.close()
    try:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        print("closed", error.errno)
""".replace("PEER", PEER_IP)


def handshake(wire: Wire, by: int, port: int = 80, options: bytes = b"") -> tuple[int, int, bytes]:
    """Connects; returns our next sequence number, what to acknowledge, and the guest's options."""
    wire.send(tcp(port, SYN, by=by, sequence=999, options=options))
    answer = wire.wait(lambda f: (s := segment(f, by)) is not None and s[0] == SYN | ACK)
    assert answer is not None
    theirs = numbers(answer)[0] + 1
    return 1000, theirs, segment(answer)[1]


def datagram_size(wire: Wire, wanted: int) -> int:
    """Bytes that come in fragments, until there are (wanted) or nothing comes any more."""
    total = 0
    for frame in wire.frames(10):
        if frame[12:14] == b"\x08\x00" and frame[23] == UDP:
            total += struct.unpack("!H", frame[16:18])[0] - 20
            if total >= wanted:
                break
    return total


def count_probes(wire: Wire, by: int, at: int) -> int:
    """Keep-alive probes, which come one byte before (at), until the guest resets."""
    probes = 0
    for frame in wire.frames(15):
        found = segment(frame, by)
        if found is not None and found[0] & RST:
            break
        probes += found is not None and numbers(frame)[0] == at - 1
    return probes


def test_socket_options_show_on_the_wire(wired, build_image, wire):
    guest = wired(build_image(SOCKETS))
    guest.expect_text("2001:db8::1 10.1.2.3\r\nready\r\n")
    wire.send(udp(b"go on", 1234))
    for size in (65508, 65536, 96 << 10, 200000):
        guest.expect_text(f"{size} 90\r\n")
    guest.expect_text("65507 2\r\n")
    assert datagram_size(wire, 65507 + 8) == 65507 + 8
    seen = set()
    wire.send(udp(b"go on", 1234))

    def joined(frame: bytes) -> bool:
        if frame[12:14] == b"\x08\x00" and frame[23] == UDP and b"ttl" in frame[42:46]:
            assert (frame[22], frame[15]) == (7, 0x10)
            seen.add("ttl")
        if frame[12:14] == b"\x08\x00" and frame[23] == IGMP:
            seen.update({"igmp"} if socket.inet_aton("239.1.2.3") in frame else ())
        if (
            frame[12:14] == b"\x86\xdd"
            and bytes.fromhex("ff020000000000000000000000010099") in frame
        ):
            seen.add("mld")
        return seen == {"ttl", "igmp", "mld"}

    assert wire.wait(joined, 10), seen
    group = bytes.fromhex("01005e010203")
    datagram = struct.pack("!HHHH", 9, 1234, 8 + 5, 0) + b"group"
    wire.send(ethernet(ip4(datagram, UDP, to="239.1.2.3"), to=group))
    guest.expect_text("joined b'group'\r\n")
    guest.expect_text("listening None\r\n")
    ours, theirs, _ = handshake(wire, 5000)
    wire.send(tcp(80, ACK, by=5000, sequence=ours, acknowledge=theirs))
    guest.expect_text("1 1\r\n")
    assert count_probes(wire, 5000, theirs) == 3
    guest.expect_text("dead 110 0\r\n")  # ETIMEDOUT, which has been told
    ours, theirs, _ = handshake(wire, 5001)
    wire.send(tcp(80, ACK, by=5001, sequence=ours, acknowledge=theirs))
    ended = wire.wait(lambda f: (s := segment(f, 5001)) is not None and s[0] != SYN | ACK)
    assert ended is not None and segment(ended)[0] & RST
    guest.expect_text("closed 9\r\nclosed 9\r\n")
    guest.expect_exit(0)


ECHO = """
import net
@net.listen(80)
def server(c):
    c.on_data(c.write)
print("serving")
"""


@pytest.fixture
def echo(wired, build_image):
    guest = wired(build_image(ECHO))
    guest.expect_text("serving\r\n")
    return guest


def test_tcp_scales_its_window_stamps_time_and_selects(echo, wire):
    stamp = struct.pack("!II", 77, 0)
    offer = option(2, b"\x05\xb4") + option(3, b"\x07") + option(4) + option(8, stamp) + b"\1"
    ours, theirs, raw = handshake(wire, 6000, options=offer)
    options = parse_options(raw)
    assert options[2] == b"\x05\xb4" and options[3] == b"\x04" and 4 in options
    assert options[8][4:] == struct.pack("!I", 77)
    clock = options[8][:4]

    def stamped(value: int) -> bytes:
        return b"\1\1" + option(8, struct.pack("!I", value) + clock)

    def send(data: bytes, at: int, value: int, flags: int = ACK | PSH) -> None:
        wire.send(
            tcp(
                *(80, flags),
                by=6000,
                sequence=ours + at,
                acknowledge=theirs,
                data=data,
                options=stamped(value),
            )
        )

    send(b"", 0, 78, ACK)
    # A hole: 100 bytes are missing before these, which are acknowledged selectively.
    send(b"b" * 100, 100, 79)
    answer = wire.wait(lambda f: (s := segment(f, 6000)) is not None and s[0] & ACK)
    assert answer is not None and numbers(answer)[1] == ours
    options = parse_options(segment(answer)[1])
    assert options[5] == struct.pack("!II", ours + 100, ours + 200)
    assert struct.unpack("!I", options[8][4:])[0] in (78, 79)
    window = struct.unpack("!H", answer[48:50])[0]
    assert window << 4 > 65535  # 1,008 KiB are offered, which 16 bits could not tell
    send(b"a" * 100, 0, 80)
    whole = wire.wait(lambda f: (s := segment(f, 6000)) is not None and len(s[2]) > 0)
    assert whole is not None and numbers(whole)[1] == ours + 200
    assert segment(whole)[2] in (b"a" * 100, b"a" * 100 + b"b" * 100)
    echo.at_prompt = True


def test_options_that_end_too_early_are_not_read_on(echo, wire):
    # The length of the last option would be the first byte of the data: 4, a window scale's 3, 10.
    for by, (kind, length) in enumerate(((2, 4), (3, 3), (8, 10), (4, 2), (99, 40)), 7000):
        options = b"\1\1\1" + bytes((kind,))
        wire.send(tcp(80, SYN, by=by, sequence=999, options=options, data=bytes((length,)) * 60))
        answer = wire.wait(lambda f, by=by: (s := segment(f, by)) is not None and s[0] & SYN)
        assert answer is not None and set(parse_options(segment(answer)[1])) <= {2}
    echo.at_prompt = True


def advertisement(target: str, length: int) -> bytes:
    """A solicited neighbour advertisement whose option says that it is (length) * 8 bytes long."""
    body = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + socket.inet_pton(socket.AF_INET6, target)
    return ip6(body + bytes((2, length)), ICMP6, PEER6, LINK_LOCAL)


def test_neighbours_without_an_address_are_not_believed(echo, wire):
    solicit = struct.pack("!BBHI", 135, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, LINK_LOCAL)
    snma = "ff02::1:ff12:3456"

    def answered(length: int) -> bool:
        wire.send(ip6(solicit + bytes((1, length)) + PEER_MAC, ICMP6, PEER6, snma))
        return (
            wire.wait(lambda f: f[12:14] == b"\x86\xdd" and f[20] == ICMP6 and f[54] == 136, 1.5)
            is not None
        )

    deadline = 10
    while not answered(1):  # the address may still be tentative
        deadline -= 1
        assert deadline
    assert not answered(0)
    wire.send(advertisement(PEER6, 0))
    assert answered(1)
    echo.at_prompt = True


NAMED = """
import network, net
network.hostname("box")
print("named", network.hostname())
net.udp(7, lambda p: network.hostname("crate"))
"""


def names(wire: Wire, seconds: float) -> Iterator[bytes]:
    for frame in wire.frames(seconds):
        if (message := mdns_answers(frame)) is not None:
            yield message


def ask(wire: Wire, name: str, kind: int = 1, seconds: float = 3.0) -> bytes | None:
    group = bytes.fromhex("01005e0000fb")
    segment = struct.pack("!HHHH", 5353, 5353, 8 + len(question(name, kind)), 0)
    wire.send(ethernet(ip4(segment + question(name, kind), UDP, to=MDNS[0]), to=group))
    label = name.split(".")[0].encode()
    wanted = bytes((len(label),)) + label + b"\x05local\0"
    for message in names(wire, seconds):
        if struct.unpack("!H", message[6:8])[0] and wanted in message:
            return message
    return None


def ask_until_answered(wire: Wire, name: str) -> bytes:
    """It first asks itself whether the name is free, and answers once a second."""
    for _ in range(5):
        if (answer := ask(wire, name)) is not None:
            return answer
    raise AssertionError(f"no answer for {name}")


def test_the_host_answers_for_its_name_by_mdns(wired, build_image, wire):
    guest = wired(build_image(NAMED))
    guest.expect_text("named box\r\n")
    assert socket.inet_aton(GUEST_IP) in ask_until_answered(wire, "box.local")
    assert ask(wire, "crate.local", seconds=1.5) is None
    wire.send(udp(b"rename", 7))
    assert socket.inet_aton(GUEST_IP) in ask_until_answered(wire, "crate.local")
    guest.at_prompt = True


def test_the_name_outlives_a_soft_reset(wired, build_image, wire):
    guest = wired(build_image("import network\nnetwork.LAN(0)\n", "--at-exit", "repl"))
    guest.prompt()
    guest.exec("import network; network.hostname('box')")
    ask_until_answered(wire, "box.local")
    guest.send("\x04")
    guest.expect_text("MPY: soft reboot")
    guest.prompt()
    assert guest.exec("import network; print(network.hostname())") == "box\n"
    assert socket.inet_aton(GUEST_IP) in ask_until_answered(wire, "box.local")
    guest.at_prompt = True


def test_without_a_name_of_its_own_no_mdns(echo, wire):
    assert ask(wire, "importos.local", seconds=1.5) is None
    wire.send(udp(question("importos.local", 1), 5353))
    refused = wire.wait(
        lambda f: f[12:14] == b"\x08\x00" and f[23] == 1 and f[34:36] == b"\3\3", 2
    )
    assert refused is not None  # ICMP: port unreachable
    echo.at_prompt = True


DNS = """
import network, os
network.LAN(0)

@os.every("50ms")
def look(event):
    if network.ipconfig("dns") == "SERVER":
        print("dns", network.ipconfig("dns"))
        event.cancel()
print("waiting")
""".replace("SERVER", DNS6)


def test_dns_servers_come_by_dhcp6_when_a_router_says_so(wired, build_image, wire):
    guest = wired(build_image(DNS))
    guest.expect_text("waiting\r\n")
    # A router advertisement with the O flag, "other configuration".
    router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x40, 1800, 0, 0)
    asked = None
    for _ in range(10):
        wire.send(ip6(router + b"\1\1" + PEER_MAC, ICMP6, PEER6, "ff02::1"))
        asked = wire.wait(
            lambda f: f[12:14] == b"\x86\xdd" and f[20] == UDP and f[56:58] == b"\x02\x23", 1.5
        )
        if asked is not None:
            break
    assert asked is not None and asked[62] == 11  # information-request, to port 547
    identity, message = asked[63:66], asked[66 : 54 + struct.unpack("!H", asked[58:60])[0]]
    client = b""
    at = 0
    while at < len(message):
        code, size = struct.unpack("!HH", message[at : at + 4])
        client = message[at : at + 4 + size] if code == 1 else client
        at += 4 + size
    server = struct.pack("!HHHH", 2, 10, 3, 1) + PEER_MAC
    dns = struct.pack("!HH", 23, 16) + socket.inet_pton(socket.AF_INET6, DNS6)
    wire.send(udp6(b"\x07" + identity + client + server + dns, 547, 546))
    guest.expect_text(f"dns {DNS6}\r\n")
    guest.expect_exit(0)
