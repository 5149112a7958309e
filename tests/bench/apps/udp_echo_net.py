# UDP echo server with a callback.
import net


def echo(packet):
    packet.reply(packet.data)


net.udp(5353, echo)
print("READY")
