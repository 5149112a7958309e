# A sensor that publishes to an MQTT broker (3.1.1): a reading every second, a new connection when
# one is lost.
#
# mosquitto -p 1883        mosquitto_sub -t 'sensors/#'
# mkimage mqtt_sensor.py --run --env BROKER=10.0.2.2        (10.0.2.2 is the host, for QEMU)
import json
import net
import os
import struct

BROKER = os.getenv("BROKER") or "10.0.2.2"
PORT = int(os.getenv("BROKER_PORT") or 1883)
TOPIC = os.getenv("TOPIC") or "sensors/machine"
CLIENT = "importos-" + net.eth0.mac.replace(":", "")
KEEP_ALIVE_S = 30

broker = None  # the connection, once the broker has said yes
count = 0


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def message(kind, body):
    size, head = len(body), bytes((kind,))
    while True:
        size, digit = size >> 7, size & 0x7F
        head += bytes((digit | 0x80 if size else digit,))
        if not size:
            return head + body


def connect(event=None):
    connection = net.connect(BROKER, PORT, hello, timeout="5s")

    @connection.on_close
    def closed(error):
        global broker
        broker = None
        print("no broker:", error or "it closed the connection")
        os.after("2s", connect)


def hello(connection):
    connection.write(
        message(0x10, text("MQTT") + b"\x04\x02" + struct.pack("!H", KEEP_ALIVE_S) + text(CLIENT))
    )

    @connection.on_data
    def data(data):
        global broker
        if data[:2] == b"\x20\x02":
            if data[3] == 0:
                broker = connection
                print("connected to", BROKER)
            else:
                connection.abort()


@os.every("1s")
def measure(event):
    global count
    if broker is not None:
        count += 1
        reading = {"count": count, "uptime_ms": os.stats().uptime_ms, "free": os.stats().heap_free}
        broker.write(message(0x30, text(TOPIC) + json.dumps(reading).encode()))


connect()
