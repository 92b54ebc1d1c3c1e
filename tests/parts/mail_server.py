"""A mail server for tests: takes mail on a port of 127.0.0.1 and puts each message into a folder, with its envelope before it.

Started by tests/src/mail.rs, which gives the account by the environment: MAIL_USER, MAIL_PASSWORD.
"""

import argparse
import json
import os
import pathlib
import signal
import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Keeper:
    """Keeps what comes. A file has its name once it is whole."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.lock = threading.Lock()
        self.count = len(list(self.folder.glob("*.eml")))

    async def handle_DATA(self, server, session, envelope):
        with self.lock:
            self.count += 1
            name = f"{self.count:04}"
        facts = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "authenticated": session.authenticated,
        }
        work = self.folder / f"{name}.part"
        work.write_bytes(json.dumps(facts).encode() + b"\n" + envelope.content)
        work.rename(self.folder / f"{name}.eml")
        return "250 Message accepted for delivery"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (
        os.environ["MAIL_USER"].encode(),
        os.environ["MAIL_PASSWORD"].encode(),
    )
    return AuthResult(success=good, handled=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--tls", choices=["starttls", "implicit"], required=True)
    arguments = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    implicit = arguments.tls == "implicit"
    controller = Controller(
        Keeper(arguments.folder),
        hostname="127.0.0.1",
        port=arguments.port,
        ssl_context=context if implicit else None,
        tls_context=None if implicit else context,
        require_starttls=not implicit,
        auth_required=True,
        auth_require_tls=not implicit,
        authenticator=authenticate,
    )
    controller.start()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Whoever started it may be killed: then nobody stops it.
    parent = os.getppid()
    while not stop.wait(1) and os.getppid() == parent:
        pass
    controller.stop()


if __name__ == "__main__":
    main()
