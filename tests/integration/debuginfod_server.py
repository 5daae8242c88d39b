#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a real debuginfod will not do. The first part of a path says what: http://HOST:PORT/BEHAVIOUR/buildid/…

    debuginfod_server.py GOOD_FILE WRONG_FILE [CERTIFICATE]    prints its port, then serves until it is killed
"""
import http.server
import socketserver
import ssl
import sys
import threading
import time

good = open(sys.argv[1], "rb").read()
wrong = open(sys.argv[2], "rb").read()
seen = set()
lock = threading.Lock()


def is_first(path):
    with lock:
        if path in seen:
            return False
        seen.add(path)
        return True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        print(self.path, file=sys.stderr, flush=True)

    def begin(self, status, length, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def give(self, content):
        self.begin(200, len(content))
        self.wfile.write(content)

    def silence(self):
        self.begin(200, len(good))
        self.wfile.write(good[:100])
        self.wfile.flush()
        time.sleep(600)

    def do_GET(self):
        behaviour, rest = self.path.lstrip("/").split("/", 1)
        try:
            getattr(self, "do_" + behaviour)(rest)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_good(self, _):
        self.give(good)

    def do_wrong(self, _):
        self.give(wrong)

    def do_page(self, _):
        self.give(b"<html>welcome to the hotel</html>")

    def do_absent(self, _):
        self.begin(404, 0)

    def do_broken(self, _):
        self.begin(503, 4)
        self.wfile.write(b"oops")

    def do_endless(self, _):
        self.begin(200, None, Connection="close")
        while True:
            self.wfile.write(b"x" * 65536)

    def do_stall(self, _):
        self.silence()

    def do_stallonce(self, _):
        if is_first(self.path):
            self.silence()
        self.give(good)

    def do_slow(self, _):
        self.begin(200, len(good))
        part = len(good) // 15 + 1
        for at in range(0, len(good), part):
            self.wfile.write(good[at:at + part])
            self.wfile.flush()
            time.sleep(0.1)

    def do_loop(self, rest):
        self.begin(302, 0, Location="/loop/" + rest)

    def do_once(self, rest):
        self.begin(302, 0, Location="/good/" + rest)

    def do_tofile(self, _):
        self.begin(302, 0, Location="file:///etc/passwd")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
