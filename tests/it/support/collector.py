"""A collector for the tests: takes OTLP over HTTP and reads it with the messages that OpenTelemetry publishes.

It prints one JSON object a line: `listening` with its port, `post` with the path, the headers and the resource of each post, and
each `span` it has taken. A line of its standard input says how it answers from then on, which it confirms by `told`: `{"status": 503}`,
`{"status": 200, "rejected": 1}`, or `{"hang": true}` for not at all. It ends with its input.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

manner = {"status": 200}


def say(what):
    print(json.dumps(what), flush=True)


def values(attributes):
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in attributes}


def tell(span, scope):
    say({
        "event": "span",
        "scope": scope.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "state": span.trace_state,
        "name": span.name,
        "kind": span.SpanKind.Name(span.kind),
        "nanoseconds": span.end_time_unix_nano - span.start_time_unix_nano,
        "start": span.start_time_unix_nano,
        "failed": span.status.code == span.status.STATUS_CODE_ERROR,
        "flags": span.flags,
        "attributes": values(span.attributes),
    })


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = dict(manner)
        if answer.get("hang"):
            say({"event": "hanging"})
            threading.Event().wait()
        request = ExportTraceServiceRequest.FromString(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        for of_resource in request.resource_spans:
            say({"event": "post", "path": self.path, "headers": headers, "resource": values(of_resource.resource.attributes)})
            if answer["status"] == 200:
                for of_scope in of_resource.scope_spans:
                    for span in of_scope.spans:
                        tell(span, of_scope.scope)
        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = answer.get("rejected", 0)
        content = response.SerializeToString()
        self.send_response(answer["status"])
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say({"event": "listening", "port": server.server_address[1]})
    for line in sys.stdin:
        manner.clear()
        manner.update(json.loads(line))
        say({"event": "told"})


main()
