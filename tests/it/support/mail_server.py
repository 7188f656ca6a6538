"""A real mail server for the tests: SMTP with STARTTLS or TLS, with a login, and with refusals on demand.

It prints one JSON object a line: `listening` with its port, each `mail` it has taken, `told` once it has heard a line of its
standard input, `hanging` where it gives no answer. Such a line is JSON too: `{"refuse": {"RCPT": "550 5.1.1 unknown"}}` has it
answer these commands so from then on, `{"hang": ["DATA"]}` has it give no answer to them. It ends with its input.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def say(what):
    print(json.dumps(what), flush=True)


class Handler:
    def __init__(self):
        self.refuse = {}
        self.hang = []

    async def verdict(self, command):
        if command in self.hang:
            say({"event": "hanging", "command": command})
            await asyncio.Event().wait()
        return self.refuse.get(command, "250 OK")

    async def handle_MAIL(self, server, session, envelope, address, options):
        verdict = await self.verdict("MAIL")
        if verdict.startswith("2"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return verdict

    async def handle_RCPT(self, server, session, envelope, address, options):
        verdict = await self.verdict("RCPT")
        if verdict.startswith("2"):
            envelope.rcpt_tos.append(address)
        return verdict

    async def handle_DATA(self, server, session, envelope):
        verdict = await self.verdict("DATA")
        if verdict.startswith("2"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
            say({
                "event": "mail",
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "options": envelope.mail_options,
                "headers": [[name.lower(), str(value)] for name, value in message.items()],
                "text": parts.get("text/plain"),
                "html": parts.get("text/html"),
                "encrypted": server.transport.get_extra_info("sslcontext") is not None,
                "login": session.auth_data.login.decode() if session.auth_data else None,
                "connection": session.peer[1],
                "hello": session.host_name,
            })
        return verdict

    def authenticate(self, server, session, envelope, mechanism, login):
        expected = (self.user, self.password)
        given = (login.login.decode(), login.password.decode())
        return AuthResult(success=given == expected, handled=False, auth_data=login)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", choices=["required", "starttls", "none"], default="none")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--user")
    parser.add_argument("--password")
    arguments = parser.parse_args()

    handler = Handler()
    handler.user, handler.password = arguments.user, arguments.password
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate, arguments.key)
    starttls = context if arguments.tls == "starttls" else None

    def session():
        return SMTP(
            handler,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=arguments.user is not None,
            auth_require_tls=starttls is not None,
            authenticator=handler.authenticate if arguments.user else None,
        )

    loop = asyncio.get_running_loop()
    wrapped = context if arguments.tls == "required" else None
    server = await loop.create_server(session, "127.0.0.1", arguments.port, ssl=wrapped)
    say({"event": "listening", "port": server.sockets[0].getsockname()[1]})

    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        told = json.loads(line)
        handler.refuse = told.get("refuse", {})
        handler.hang = told.get("hang", [])
        say({"event": "told"})


asyncio.run(main())
