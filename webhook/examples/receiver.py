#!/usr/bin/env python3
"""A webhook receiver to start from: verifies the signature, refuses what is old, keeps each event once.

  WEBHOOK_SECRETS="whsec_… whsec_…" python3 receiver.py [--listen 127.0.0.1:9000] [--inbox inbox.sqlite]

Python 3.9 or later, standard library only. The inbox is a table whose key is the event's id, written and
synced before the answer: a crash at any instant loses no event that was answered with 204, and a repeat
of the bridge (it repeats until it hears 2xx) finds its id there. Your program reads the table at its own
pace; several processes may share it.
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import signal
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_LIMIT = 1 << 20  # bytes; the bridge sends less
TOLERANCE = 300  # seconds between the signature and now, either way


def refusal(secrets, headers, body, now=None):
    """Why a request does not verify, or None.

    Standard Webhooks 1.0: "v1," and the base64 of HMAC-SHA256(secret, "id.timestamp.body"); several are
    separated by spaces, one per live secret. `secrets` may hold two as well, around a rotation.
    """
    event_id = headers.get("webhook-id")
    timestamp = headers.get("webhook-timestamp")
    signatures = headers.get("webhook-signature")
    if not event_id or not timestamp or not signatures:
        return "a header is missing"
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        return "the timestamp is no number"
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE:
        return "the timestamp is too far from now"
    signed = f"{event_id}.{timestamp}.".encode() + body
    good = False
    for secret in secrets:
        key = base64.b64decode(secret[len("whsec_"):])
        expected = hmac.new(key, signed, hashlib.sha256).digest()
        for one in signatures.split(" "):
            if not one.startswith("v1,"):
                continue
            try:
                given = base64.b64decode(one[3:], validate=True)
            except ValueError:  # not base64, not even ASCII
                continue
            if hmac.compare_digest(given, expected):  # in the same time wherever they differ
                good = True
    return None if good else "no signature fits"


class Inbox:
    """The events that arrived, each once."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.database = sqlite3.connect(path, check_same_thread=False, timeout=10)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, received_at TEXT NOT NULL, body TEXT NOT NULL)")
        self.database.commit()

    def add(self, event_id, body):
        """True when the event is new."""
        with self.lock, self.database:  # a transaction, committed at the end
            done = self.database.execute(
                "INSERT OR IGNORE INTO events VALUES (?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?)", (event_id, body))
            return done.rowcount == 1


def handler(secrets, inbox):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def answer(self, status, words=""):
            self.send_response(status)
            if self.close_connection:
                self.send_header("connection", "close")
            if status != 204:
                self.send_header("content-type", "text/plain; charset=utf-8")
                self.send_header("content-length", str(len(words.encode())))
            self.end_headers()
            if status != 204:
                self.wfile.write(words.encode())

        def do_POST(self):
            length = self.headers.get("content-length", "")
            if not length.isdigit() or int(length) > BODY_LIMIT:
                for _ in range(8):  # hears it out for a while, so that the answer arrives
                    if not length.isdigit() or not self.rfile.read(min(int(length), BODY_LIMIT)):
                        break
                    length = str(max(0, int(length) - BODY_LIMIT))
                self.close_connection = True
                self.answer(413)
                return
            body = self.rfile.read(int(length))
            why = refusal(secrets, self.headers, body)
            if why:
                self.answer(401, why)
                return
            try:
                event = json.loads(body)
                fresh = inbox.add(self.headers["webhook-id"], body.decode())
            except (ValueError, sqlite3.Error) as error:
                # Not kept: the bridge will send it again.
                print(f"receiver: {error}", file=sys.stderr, flush=True)
                self.answer(500)
                return
            if fresh:
                print(event["id"], event["type"], flush=True)
            self.answer(204)

        def log_message(self, *_):
            pass

    return Handler


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--listen", default="127.0.0.1:9000")
    options.add_argument("--inbox", default="inbox.sqlite")
    wish = options.parse_args()
    secrets = os.environ.get("WEBHOOK_SECRETS", "").split()
    if not secrets or not all(re.fullmatch(r"whsec_[A-Za-z0-9+/]+={0,2}", one) for one in secrets):
        print("receiver: WEBHOOK_SECRETS must hold one or two secrets, whsec_… each", file=sys.stderr)
        return 2
    host, _, port = wish.listen.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), handler(secrets, Inbox(wish.inbox)))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"receiver listening on http://{host}:{server.server_address[1]}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
