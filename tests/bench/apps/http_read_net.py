# Hello-world HTTP/1.1 server, keep-alive, with callbacks.
import net

RESP = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n"
    b"Connection: keep-alive\r\n\r\nHello, world!\n"
)


def serve(connection):
    rest = b""

    def data(more):
        nonlocal rest
        if rest:
            more = rest + more
        while True:
            i = more.find(b"\r\n\r\n")
            if i < 0:
                break
            connection.write(RESP)
            more = more[i + 4 :]
        rest = more

    connection.on_data(data)


net.listen(8080, serve, backlog=255)
print("READY")
