# A web server in callbacks: no loop, no threads; the machine sleeps until somebody asks.
#
# mkimage hello_http.py --run -p 8080:80        curl http://127.0.0.1:8080/
import net

BODY = b"Hello from Python on bare metal!\n"
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n"
ANSWER = HEAD.format(len(BODY)).encode() + BODY


@net.listen(80)
def server(connection):
    connection.data = b""
    connection.timeout("30s")

    @connection.on_data
    def data(data):
        requests = (connection.data + data).split(b"\r\n\r\n")
        connection.data = requests.pop()
        if len(connection.data) > 8000:
            connection.end(b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.write(ANSWER * len(requests))


net.eth0.on_up(lambda nic: print(f"http://{nic.address}/"))
