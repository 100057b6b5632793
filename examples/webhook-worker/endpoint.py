"""An endpoint that needs nothing but Python: jobs are pushed to it, and it answers with what came of them.

    WEBHOOK_SECRET=whsec_… python3 endpoint.py 8090
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["WEBHOOK_SECRET"]
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
TOLERANCE_SECONDS = 300
BODY_BYTES_MAX = 4 * 1024 * 1024


def is_signed(headers, body):
    """Whether Holdfast sent exactly these bytes, and lately."""
    moment = headers.get("webhook-timestamp", "")
    if not moment.isascii() or not moment.isdigit() or abs(time.time() - int(moment)) > TOLERANCE_SECONDS:
        return False
    signed = f"{headers.get('webhook-id', '')}.{moment}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").encode().split(b" ")
    # While a secret is changed there are two. Every comparison takes the same time, whatever it finds.
    return any([hmac.compare_digest(expected, one) for one in given])


def greet(task):
    """The work itself."""
    [argument] = task["input"]
    if "name" not in argument:
        raise ValueError("whom to greet?")
    return {"greeting": f"Hello, {argument['name']}!", "attempt": task["attempt"]}


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length) if 0 <= length <= BODY_BYTES_MAX else b""
        if not is_signed(self.headers, body):
            return self.answer(401, {"error": {"message": "not signed by Holdfast"}})
        if self.headers.get("holdfast-event") == "ping":
            return self.answer(200, "pong")
        try:
            self.answer(200, greet(json.loads(body)))
        except ValueError as error:
            # The input is wrong: it would be wrong again.
            self.answer(422, {"error": {"message": str(error), "type": "BadInput", "retryable": False}})

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8090), Endpoint)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
