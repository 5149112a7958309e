# Tiny DNS server: answers every A query from a table, NXDOMAIN otherwise. With a callback.
import net

TABLE = {}
for i in range(64):
    TABLE[b"host%d.example.org" % i] = bytes((10, 1, 0, i))


def answer(q):
    # q: id(2) flags(2) counts(8) then the question: labels, type(2), class(2)
    labels = []
    i = 12
    while q[i]:
        n = q[i]
        labels.append(q[i + 1 : i + 1 + n])
        i += 1 + n
    end = i + 5
    ip = TABLE.get(b".".join(labels))
    if ip is None or q[i + 2] != 1:
        return q[:2] + b"\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00" + q[12:end]
    return (
        q[:2]
        + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
        + q[12:end]
        + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04"
        + ip
    )


def question(packet):
    packet.reply(answer(packet.data))


net.udp(5353, question)
print("READY")
