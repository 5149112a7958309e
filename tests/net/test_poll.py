# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""select.poll() asks only sockets that may have changed, and misses none that has."""

from __future__ import annotations

from guest import Guest

APP = """
import select, socket, time

def datagrams(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    return s

def ready(poll, ms=200):
    return sorted((ports[id(s)], event) for s, event in poll.poll(ms))

def send(port):
    sender.sendto(b"x", ("127.0.0.1", port))

ports = {}
sender = datagrams(6999)
first, second = select.poll(), select.poll()
sockets = [datagrams(7000 + i) for i in range(4)]
for number, s in enumerate(sockets):
    ports[id(s)] = number
    first.register(s, select.POLLIN)
a, b, c, d = sockets
print("quiet", ready(first, 0), ready(first, 10))
send(7002)
print("one", ready(first), ready(first))
c.recv(9)
print("read", ready(first, 10))

second.register(a, select.POLLIN)
second.register(b, select.POLLIN)
print("both quiet", ready(first, 10), ready(second, 10), ready(first, 10))
send(7000)
print("both told", ready(first), ready(second))
a.recv(9)
print("both read", ready(second, 10), ready(first, 10))

first.unregister(b)
send(7001)
print("unregistered", ready(first, 10), ready(second))
first.register(b, select.POLLIN)
print("registered again", ready(first))
b.recv(9)

print("asleep", ready(first, 10))
first.modify(d, select.POLLIN | select.POLLOUT)
print("may write", ready(first))
first.modify(d, select.POLLIN)
print("may not", ready(first, 10))

for port in range(7000, 7004):
    send(port)
time.sleep_ms(50)
seen = []
for s, event in first.ipoll(200):
    seen.append(ports[id(s)])
    if len(seen) == 1:
        first.unregister(b if s is not b else a)
print("left while iterating", len(seen), len(set(seen)))
for s in sockets:
    s.recv(9)

for s in sockets:
    first.register(s, select.POLLIN)
send(7001), send(7003)
time.sleep_ms(50)
print("once", sorted(ports[id(s)] for s, event in first.ipoll(100, 1)))
print("not again", ready(first, 10))
first.modify(b, select.POLLIN)
print("asked for", ready(first, 100))
b.recv(9), d.recv(9)

print("asleep", ready(first, 10))
c.close()
print("closed", ready(first))
first.unregister(c)

listener = socket.socket()
listener.bind(("127.0.0.1", 7100))
listener.listen(2)
ports[id(listener)] = "listener"
first.register(listener, select.POLLIN)
print("nobody", ready(first, 10))
client = socket.socket()
client.connect(("127.0.0.1", 7100))
print("somebody", ready(first))
server, _ = listener.accept()
ports[id(server)] = "server"
first.register(server, select.POLLIN)
print("says nothing", ready(first, 10))
client.send(b"x")
print("speaks", ready(first))
server.recv(9)
print("says nothing", ready(first, 10))
client.close()
print("ended", ready(first), server.recv(9))
first.unregister(server)
print("select", [ports[id(s)] for s in select.select([listener, a], [], [], 0)[0]])


class Stream(io.IOBase):
    def ioctl(self, request, argument):
        asked.append(request)
        first.unregister(a) if len(asked) == 1 else None
        return 0

asked = []
odd = Stream()
ports[id(odd)] = "odd"
first.unregister(a)
first.register(odd, select.POLLIN)
first.register(a, select.POLLIN)
print("in Python", ready(first, 0), ready(first, 0), asked)
"""

EXPECTED = """
quiet [] []
one [(2, 1)] [(2, 1)]
read []
both quiet [] [] []
both told [(0, 1)] [(0, 1)]
both read [] []
unregistered [] [(1, 1)]
registered again [(1, 1)]
asleep []
may write [(3, 4)]
may not []
left while iterating 3 3
once [1, 3]
not again []
asked for [(1, 1)]
asleep []
closed [(2, 32)]
nobody []
somebody [('listener', 1)]
says nothing []
speaks [('server', 1)]
says nothing []
ended [('server', 1)] b''
select []
in Python [] [] [3, 3]
"""

COST = """
import select, socket, time

def cost(count):
    poll = select.poll()
    for i in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", 10000 + len(sockets)))
        poll.register(s, select.POLLIN)
        sockets.append(s)
    poll.poll(0)
    start = time.ticks_us()
    for _ in range(1000):
        for ready in poll.ipoll(0):
            pass
    return time.ticks_diff(time.ticks_us(), start)

sockets = []
print("cost", cost(10), cost(500))
"""


def test_a_poll_tells_what_changed_and_nothing_else(boot, build_image):
    guest: Guest = boot(build_image("import io\n" + APP), network=True)
    for line in EXPECTED.strip().splitlines():
        guest.expect_text(f"{line}\r\n")
    guest.expect_exit(0)


def test_idle_sockets_cost_a_poll_nothing(boot, build_image):
    guest: Guest = boot(build_image(COST), network=True, extra=("-icount", "shift=0,sleep=off"))
    guest.expect(r"cost (\d+) (\d+)\r\n")
    few, many = int(guest.match[1]), int(guest.match[2])
    print(f"a poll of 10 sockets takes {few} instructions, of 500 {many}")
    assert many < few * 1.1
    guest.expect_exit(0)
