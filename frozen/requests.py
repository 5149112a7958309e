# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# requests: an HTTP/1.1 client (RFC 9112) with the common part of the well-known package's
# interface. Certificates of https servers are checked against `cafile`, when that is set.

import socket

cafile = None  # PEM or DER file that holds the trusted certificates

_REDIRECTS_MAX = 10
_LINE_MAX = 8192
_CHUNK = 4096


class Response:
    def __init__(self, stream, status_code, reason, headers):
        self.raw = stream
        self.status_code = status_code
        self.reason = reason
        self.headers = headers  # names in lower case
        self.encoding = "utf-8"
        self._content = None
        self._left = None  # bytes to come, None: until the end
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        if not self._chunked and "content-length" in headers:
            self._left = int(headers["content-length"])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        if self.raw is not None:
            self.raw.close()
            self.raw = None

    @property
    def ok(self):
        return self.status_code < 400

    def raise_for_status(self):
        if not self.ok:
            raise OSError(f"{self.status_code} {self.reason}")

    def _read(self, size):
        data = self.raw.read(size)
        if not data:
            raise OSError("the connection ended before the answer did")
        return data

    def _parts(self, size):
        if self._chunked:
            while left := int(_line(self.raw).split(b";")[0], 16):
                while left:
                    data = self._read(min(left, size))
                    left -= len(data)
                    yield data
                _line(self.raw)
            while _line(self.raw):
                pass
        elif self._left is None:
            while data := self.raw.read(size):
                yield data
        else:
            while self._left:
                data = self._read(min(self._left, size))
                self._left -= len(data)
                yield data

    def iter_content(self, size=_CHUNK):
        if self._content is not None:
            yield self._content
        elif self.raw is not None:
            yield from self._parts(size)
            self.close()

    @property
    def content(self):
        if self._content is None:
            self._content = b"".join(self.iter_content())
        return self._content

    @property
    def text(self):
        return str(self.content, self.encoding)

    def json(self):
        import json

        return json.loads(self.content)


def _line(stream):
    line = stream.readline()
    if len(line) > _LINE_MAX or not line.endswith(b"\n"):
        raise ValueError("not HTTP")
    return line.rstrip(b"\r\n")


def _split(url):
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if scheme not in ("http", "https") or not host:
        raise ValueError("not an http or https URL: " + url)
    if "?" in host:
        host, _, query = host.partition("?")
        path = "?" + query
    name, port = host, 443 if scheme == "https" else 80
    if host[0] == "[":
        name, _, rest = host[1:].partition("]")
        port = int(rest[1:]) if rest else port
    elif ":" in host:
        name, _, text = host.partition(":")
        port = int(text)
    return scheme, host, name, port, "/" + path


def _open(scheme, name, port, timeout):
    stream = socket.socket()
    try:
        if timeout is not None:
            stream.settimeout(timeout)
        stream.connect(socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM)[0][-1])
        if scheme == "https":
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.verify_mode = ssl.CERT_NONE
            if cafile is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(cafile=cafile)
            stream = context.wrap_socket(stream, server_hostname=name)
    except BaseException:
        stream.close()
        raise
    return stream


def _send(stream, method, path, host, headers, body):
    lines = [f"{method} {path} HTTP/1.1", "Host: " + host, "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    stream.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    if body:
        stream.write(body)


def _head(stream):
    while True:
        parts = _line(stream).split(None, 2)
        if len(parts) < 2 or parts[0][:5] != b"HTTP/":
            raise ValueError("not HTTP")
        headers = {}
        while line := _line(stream):
            name, _, value = line.partition(b":")
            headers[name.decode().lower()] = value.strip().decode()
        status = int(parts[1])
        if status >= 200:
            return status, parts[2].decode() if len(parts) > 2 else "", headers


def _body(data, json, headers):
    if json is not None:
        from json import dumps

        headers.setdefault("Content-Type", "application/json")
        return dumps(json).encode()
    if isinstance(data, dict):
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return "&".join(f"{_quote(k)}={_quote(v)}" for k, v in data.items()).encode()
    return data.encode() if isinstance(data, str) else data


def _quote(value):
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(chr(c) if c in plain else f"%{c:02X}" for c in str(value).encode())


def request(
    method,
    url,
    data=None,
    json=None,
    headers=None,
    stream=None,
    auth=None,
    timeout=None,
    params=None,
    allow_redirects=True,
):
    headers = dict(headers or {})
    body = _body(data, json, headers)
    if params:
        query = "&".join(f"{_quote(k)}={_quote(v)}" for k, v in params.items())
        url += ("&" if "?" in url else "?") + query
    if auth is not None:
        from binascii import b2a_base64

        secret = b2a_base64(f"{auth[0]}:{auth[1]}".encode()).strip().decode()
        headers["Authorization"] = "Basic " + secret
    for _ in range(_REDIRECTS_MAX):
        scheme, host, name, port, path = _split(url)
        connection = _open(scheme, name, port, timeout)
        try:
            _send(connection, method, path, host, headers, body)
            status, reason, fields = _head(connection)
        except BaseException:
            connection.close()
            raise
        response = Response(connection, status, reason, fields)
        if method == "HEAD" or status in (204, 304):
            response._content = b""
        if status not in (301, 302, 303, 307, 308) or not allow_redirects:
            break
        target = fields.get("location")
        if not target:
            break
        response.close()
        url = f"{scheme}://{host}{target}" if target[0] == "/" else target
        if _split(url)[2] != name:
            headers.pop("Authorization", None)  # meant for the first host alone
        if status == 303 or (status in (301, 302) and method == "POST"):
            method, body = "GET", None
    else:
        raise ValueError("too many redirects")
    if not stream:
        try:
            response.content
        finally:
            response.close()
    return response


def head(url, **options):
    return request("HEAD", url, **options)


def get(url, **options):
    return request("GET", url, **options)


def post(url, **options):
    return request("POST", url, **options)


def put(url, **options):
    return request("PUT", url, **options)


def patch(url, **options):
    return request("PATCH", url, **options)


def delete(url, **options):
    return request("DELETE", url, **options)
