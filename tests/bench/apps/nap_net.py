# As nap.py, for a server that has got its address by DHCP and that nobody asks.
import net
import sys
import time

SECONDS = 1
net.listen(80)(lambda connection: connection.end())
time.sleep(SECONDS)
assert net.eth0.address
sys.exit(1)
