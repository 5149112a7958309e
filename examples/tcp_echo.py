# Everything that a client sends comes back. A client that does not read stops being read.
#
# mkimage tcp_echo.py --run -p 7007:7        nc 127.0.0.1 7007
import net


@net.listen(7)
def server(connection):
    print("connected:", connection.remote)
    connection.on_drain(connection.resume)

    @connection.on_data
    def data(data):
        if not connection.write(data):
            connection.pause()

    @connection.on_close
    def closed(error):
        print("closed:", connection.remote, "after", connection.bytes_in, "bytes", error or "")
