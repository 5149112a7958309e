# TCP bulk transfer. Port 5001 swallows what it is sent and answers "OK <count>\n" when the peer
# ends its side; port 5002 reads a decimal byte count and a newline, then sends that many bytes.
import select
import sys
import socket

SIZE = 16384
BUF = bytearray(SIZE)


def listen(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
    s.listen(4)
    return s


def sink(c):
    # MicroPython's readinto() fills the buffer, short only at the end; recv_into() takes what
    # is there
    into = c.recv_into if hasattr(c, "recv_into") else c.readinto
    total = 0
    while True:
        n = into(BUF)
        if not n:
            break
        total += n
    c.send(b"OK %d\n" % total)


def source(c):
    line = b""
    while not line.endswith(b"\n"):
        line += c.recv(32)
    left = int(line)
    view = memoryview(BUF)
    while left > 0:
        n = c.send(view[:left] if left < SIZE else view)
        left -= n


a = listen(5001)
b = listen(5002)
poll = select.poll()
poll.register(a, select.POLLIN)
poll.register(b, select.POLLIN)
fd_a = a.fileno() if sys.implementation.name == "cpython" else a
print("READY")
while True:
    for ev in poll.poll():
        which = a if ev[0] is fd_a or ev[0] == fd_a else b
        c, _ = which.accept()
        try:
            (sink if which is a else source)(c)
        except OSError as e:
            print("error", e)
        c.close()
