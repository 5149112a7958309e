# Every datagram goes back to its sender.
#
# mkimage udp_echo.py --run -p 7007:7/udp        nc -u 127.0.0.1 7007
import net


@net.udp(7)
def socket(packet):
    packet.reply(packet.data)
