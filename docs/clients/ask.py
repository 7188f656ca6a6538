"""Asks Sidegate with Python's standard library: python3 ask.py 'bob edit order o-1' 'bob delete order o-1'

Prints `allow` or `deny` for each question. Whatever is not an explicit yes is a deny: an error, a time-out, an answer of another form.
"""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit


class Sidegate:
    """One connection, which is kept. Not to be shared by threads: give each its own."""

    def __init__(self, url, token=None, timeout=1.0):
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(parts.hostname, parts.port, timeout=timeout)
        self.path = parts.path.rstrip("/") + "/access/v1/evaluation"
        self.headers = {"Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def may(self, user, action, resource_type, resource_id, properties=None):
        """Whether the user may do it."""
        question = {
            "subject": {"type": "user", "id": user},
            "action": {"name": action},
            "resource": {"type": resource_type, "id": resource_id, "properties": properties or {}},
        }
        try:
            answer = self._ask(json.dumps(question).encode())
            context = answer.get("context", {})
            # The id leads to the record in the audit log.
            print(f"decision {context.get('id')}: {context.get('reason')}", file=sys.stderr)
            return answer["decision"] is True
        except (OSError, http.client.HTTPException, ValueError, KeyError, AttributeError) as error:
            print(f"denied, since nobody said yes: {error!r}", file=sys.stderr)
            self.connection.close()
            return False

    def _ask(self, body):
        try:
            self.connection.request("POST", self.path, body, self.headers)
            response = self.connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # A connection that has idled may have been closed meanwhile. Once more, on a new one.
            self.connection.close()
            self.connection.request("POST", self.path, body, self.headers)
            response = self.connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise ValueError(f"status {response.status}: {text[:200]!r}")
        return json.loads(text)


if __name__ == "__main__":
    sidegate = Sidegate(os.environ.get("SIDEGATE_URL", "http://127.0.0.1:8480"), os.environ.get("SIDEGATE_TOKEN"))
    for asked in sys.argv[1:]:
        print("allow" if sidegate.may(*asked.split()) else "deny")
