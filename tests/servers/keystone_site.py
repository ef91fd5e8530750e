"""OpenStack's Keystone, in one process: `python keystone_site.py PORT`, with its folders below the current one.

Its user is demo, with the password demo-password, in the domain `default`.
"""

from __future__ import annotations

import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from keystone.server.wsgi import initialize_public_application


class Handler(WSGIRequestHandler):
    def address_string(self) -> str:
        return str(self.client_address[0])


class ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


port = int(sys.argv.pop())  # Keystone reads what is left
make_server("127.0.0.1", port, initialize_public_application(), ThreadingServer, Handler).serve_forever()
