"""Which names a local server answers to: a web page elsewhere must not reach it under a name of its own."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


class Guard:
    """Answer only requests for known host names, and put `HEADERS` on every answer.

    A page from elsewhere can point its own name at 127.0.0.1 (DNS rebinding); its requests still carry that name.

    Parameters
    ----------
    app
        The application to guard.
    host
        Address that the server is bound to. A wildcard address is known under every numeric address, which cannot be
        rebound, and under the machine's own name.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self.names = {"127.0.0.1", "localhost", "::1", host.lower()}
        self.any_address = is_wildcard(host)
        if self.any_address:
            self.names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not self.knows(Headers(scope=scope).get("host", "")):
            detail = "This server does not answer to that host name: use the address that it printed when it started."
            await JSONResponse({"detail": detail}, 400)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def knows(self, header: str) -> bool:
        """Whether the value of a Host header, with or without a port, names this server."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self.names or (self.any_address and _is_address(name))


def is_wildcard(host: str) -> bool:
    """Whether an address to bind to means every address of the machine."""
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
