# A web server in callbacks: no loop, no threads; the machine sleeps until somebody asks.
#
# mkimage hello_http.py --run -p 8080:80        curl http://127.0.0.1:8080/
import net
import time

BODY = b"Hello from Python on bare metal!\n"
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n"
ANSWER = HEAD.format(len(BODY)).encode() + BODY
PATIENCE_MS = 30_000  # with a client that is silent, and with a request that does not end


@net.listen(80)
def server(connection):
    connection.data = b""
    connection.timeout(PATIENCE_MS)
    begun = time.ticks_ms()

    @connection.on_data
    def data(data):
        nonlocal begun
        requests = (connection.data + data).split(b"\r\n\r\n")
        if len(requests) > 1 or not connection.data:
            begun = time.ticks_ms()
        connection.data = requests.pop()
        if len(connection.data) > 8000:
            connection.end(b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n")
        elif time.ticks_diff(time.ticks_ms(), begun) > PATIENCE_MS:
            connection.end(b"HTTP/1.1 408 Too Slow\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.write(ANSWER * len(requests))


net.eth0.on_up(lambda nic: print(f"http://{nic.address}/"))
