# A web server with TLS. It needs a certificate and its key:
#
# openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
#     -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
# mkimage https.py cert.pem key.pem --run -p 8443:443
# curl --cacert cert.pem https://localhost:8443/
import net
import ssl

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/rom/cert.pem", "/rom/key.pem")

BODY = "Hello over TLS from Python on bare metal!\n"
ANSWER = (
    f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
)


@net.listen(443, tls=context)
def server(connection):
    connection.data = b""
    connection.timeout("30s")

    @connection.on_data
    def data(data):
        requests = (connection.data + data).split(b"\r\n\r\n")
        connection.data = requests.pop()
        if len(connection.data) > 8000:
            connection.abort()
        else:
            connection.write(ANSWER * len(requests))


print("serving https")
