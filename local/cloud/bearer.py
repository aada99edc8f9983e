"""The door of a local service: only requests with a valid token for it come in."""

from collections.abc import Callable, Collection

import jwt
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.cloud.tokens import TokenIssuer


class RequireToken:
    """An ASGI application around another, open to the tenant's service tokens for one of audiences.

    All other requests get what refuse makes of the reason: None when there is no token, else what is wrong with it.
    """

    def __init__(
        self,
        application: ASGIApp,
        issuer: TokenIssuer,
        audiences: Collection[str],
        refuse: Callable[[str | None], Response],
    ) -> None:
        self._application = application
        self._issuer = issuer
        self._audiences = audiences
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the request through or refuses it; its body is not read."""
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            await self._refuse(None)(scope, receive, send)
            return
        try:
            self._issuer.check(token.strip(), audiences=self._audiences, issuer=self._issuer.service_issuer)
        except jwt.InvalidTokenError as error:
            await self._refuse(str(error))(scope, receive, send)
            return
        await self._application(scope, receive, send)
