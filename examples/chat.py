# A chat room: a page for the browser, and a websocket (RFC 6455) behind it.
#
# mkimage chat.py --run -p 8080:80        open http://127.0.0.1:8080/ in two windows
import binascii
import hashlib
import net

PAGE = b"""<!doctype html><meta charset="utf-8"><title>Chat</title>
<style>body{font:16px sans-serif;max-width:40em;margin:2em auto}#log{white-space:pre-wrap}</style>
<h1>Chat on bare metal</h1><div id="log"></div>
<form id="form"><input id="text" autofocus autocomplete="off"><button>Send</button></form>
<script>
const socket = new WebSocket("ws://" + location.host + "/chat");
const log = document.getElementById("log"), text = document.getElementById("text");
socket.onmessage = (event) => { log.textContent += event.data + "\\n"; };
socket.onclose = () => { log.textContent += "(the connection is gone)\\n"; };
document.getElementById("form").onsubmit = (event) => {
    event.preventDefault();
    socket.send(text.value);
    text.value = "";
};
</script>
"""
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MESSAGE_MAX = 4096

room = set()


def frame(code, data):
    """A frame from the server: final, not masked."""
    if len(data) < 126:
        return bytes((0x80 | code, len(data))) + data
    return bytes((0x80 | code, 126, len(data) >> 8, len(data) & 0xFF)) + data


def say(text):
    message = frame(TEXT, text.encode())
    for member in room:
        if member.unsent < 65536:  # who does not read misses something, and holds nobody up
            member.write(message)


def parse(data):
    """(code, message, rest) of the first frame in (data); None if it is not all there yet."""
    if len(data) < 6:
        return None
    size, at = data[1] & 0x7F, 2
    if size == 126:
        size, at = data[2] << 8 | data[3], 4
    if size > MESSAGE_MAX or not data[1] & 0x80 or not data[0] & 0x80:
        raise ValueError  # too long, not masked, or in pieces
    if len(data) < at + 4 + size:
        return None
    mask, body = data[at : at + 4], data[at + 4 : at + 4 + size]
    message = bytes(byte ^ mask[i & 3] for i, byte in enumerate(body))
    return data[0] & 15, message, data[at + 4 + size :]


def join(connection, key):
    token = binascii.b2a_base64(hashlib.sha1(key + MAGIC).digest()).strip()
    connection.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + token + b"\r\n\r\n"
    )
    name = f"guest {connection.remote[1] % 1000}"
    connection.data = b""
    connection.timeout(None)
    room.add(connection)
    say(name + " is here")

    @connection.on_data
    def data(data):
        connection.data += data
        try:
            while parsed := parse(connection.data):
                code, message, connection.data = parsed
                if code == TEXT:
                    say(name + ": " + message.decode())
                elif code == PING:
                    connection.write(frame(PONG, message))
                elif code == CLOSE:
                    connection.end(frame(CLOSE, message[:2]))
        except (ValueError, UnicodeError):
            connection.end(frame(CLOSE, b"\x03\xea"))

    @connection.on_close
    def close(error):
        room.discard(connection)
        say(name + " has left")


@net.listen(80)
def server(connection):
    connection.data = b""
    connection.timeout("10s")

    @connection.on_data
    def data(data):
        connection.data += data
        head, end, _ = connection.data.partition(b"\r\n\r\n")
        if not end:
            if len(head) > 8000:
                connection.abort()
            return
        lines = head.split(b"\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields[name.strip().lower()] = value.strip()
        if lines[0].startswith(b"GET /chat ") and b"sec-websocket-key" in fields:
            join(connection, fields[b"sec-websocket-key"])
        elif lines[0].startswith(b"GET / "):
            connection.write(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
                f"Content-Length: {len(PAGE)}\r\n\r\n"
            )
            connection.end(PAGE)
        else:
            connection.end(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


print("chat on port 80")
