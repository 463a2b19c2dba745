# A real SMTP server for the tests: it prints what it took as JSON lines, and has a few mailboxes that make trouble.
# Called with `starttls` or `implicit`, a certificate and its key, it takes mail and passwords only over TLS.
import asyncio, base64, json, ssl, sys
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
            "from": envelope.mail_from, "to": to, "tls": server.transport.get_extra_info("cipher") is not None,
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
    how, *files = sys.argv[1:] or ["plain"]
    context = None
    if files:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*files)
    by_starttls = context if how == "starttls" else None
    from_the_first_byte = context if how == "implicit" else None

    def one():
        # It knows of TLS only what STARTTLS did; where all of the line is encrypted it must not ask for more.
        return SMTP(
            Mailboxes(), enable_SMTPUTF8=True, authenticator=authenticate, auth_required=context is not None,
            auth_require_tls=by_starttls is not None, tls_context=by_starttls, require_starttls=by_starttls is not None,
        )
    server = await asyncio.get_running_loop().create_server(one, "127.0.0.1", 0, ssl=from_the_first_byte)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
