# Serves a folder over HTTP: the files of the host, or of a disk.
#
# importos run files_server.py --share .:/host:ro -p 8080:80 -- /host
# importos run files_server.py --disk data.img -p 8080:80
# curl http://127.0.0.1:8080/
import net
import os
import sys

root = (sys.argv[1] if len(sys.argv) > 1 else "/").rstrip("/")
PART = 32768


def path_of(request):
    method, target, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
    names = [name for name in target.split("?")[0].split("/") if name not in ("", ".")]
    if method != "GET" or ".." in names:
        raise ValueError
    return "/".join([root] + names)


def start(conn, status, size, kind="application/octet-stream"):
    conn.write(
        f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nContent-Type: {kind}\r\n"
        "Connection: close\r\n\r\n"
    )


def send_text(conn, status, text):
    start(conn, status, len(text.encode()), "text/plain; charset=utf-8")
    conn.end(text)


def send_file(conn, path, size):
    file = open(path, "rb")  # noqa: SIM115 - open until the last part is sent
    start(conn, "200 OK", size)

    # As much as fits at a time: on_drain asks for more, so that a large file takes no memory.
    def more(conn=conn):
        data = file.read(PART)
        while data and conn.write(data):
            data = file.read(PART)
        if not data:
            file.close()
            conn.end()

    conn.on_drain(lambda *_: more())
    conn.on_close(lambda error: file.close())
    more()


def answer(conn, request):
    try:
        path = path_of(request)
        mode, size = os.stat(path or "/")[0], os.stat(path or "/")[6]
        if mode & 0x4000:
            names = [n + ("/" if k == 0x4000 else "") for n, k, *_ in os.ilistdir(path or "/")]
            send_text(conn, "200 OK", "\n".join(sorted(names)) + "\n")
        else:
            send_file(conn, path, size)
    except ValueError:
        send_text(conn, "400 Bad Request", "only GET, and no ..\n")
    except OSError:
        send_text(conn, "404 Not Found", "no such file\n")


@net.listen(80)
def serve(conn):
    conn.data = b""
    conn.timeout("10s")

    @conn.on_data
    def receive(data):
        conn.data += data
        if len(conn.data) > 8192:
            conn.abort()
        elif b"\r\n\r\n" in conn.data:
            request, conn.data = conn.data, b""
            answer(conn, request)


print("serving", root or "/", "on port 80")
