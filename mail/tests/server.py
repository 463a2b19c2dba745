# A real SMTP server for the tests: it prints what it took as JSON lines, and has a few mailboxes that make trouble.
import asyncio, base64, json, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP


class Mailboxes:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown@"):
            return "550 5.1.1 no such user"
        if address.startswith("later@"):
            return "451 4.7.1 greylisted, try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        to = envelope.rcpt_tos[0]
        if to.startswith("spam@"):
            return "554 5.7.1 this looks like spam"
        print(json.dumps({
            "from": envelope.mail_from, "to": to, "tls": session.ssl is not None,
            "user": (session.auth_data or b"").decode(),
            "content": base64.b64encode(envelope.original_content).decode(),
        }), flush=True)
        if to.startswith("lost@"):
            # It is taken, and the line breaks before anybody hears so.
            server.transport.abort()
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login == b"shop" and data.password == b"s3cret"
    return AuthResult(success=right, handled=False, auth_data=data.login if right else None)


async def main():
    def one():
        return SMTP(Mailboxes(), enable_SMTPUTF8=True, authenticator=authenticate, auth_require_tls=False)
    server = await asyncio.get_running_loop().create_server(one, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
