"""A web app with one client for its whole lifetime: GET /keys/ID returns when a key was last used."""

import os
import sys
from collections.abc import AsyncIterator

from aiohttp import web

from accesskeys_async import AccessKeysClient, InvalidRequestError, NotFoundError

CLIENT = web.AppKey("client", AccessKeysClient)


async def open_client(app: web.Application) -> AsyncIterator[None]:
    async with AccessKeysClient(deadline=5.0) as client:
        app[CLIENT] = client
        yield


async def show_key(request: web.Request) -> web.Response:
    try:
        key = await request.app[CLIENT].get(
            os.environ["ACCESSKEYS_ORGANIZATION"], request.match_info["key_id"]
        )
    except (InvalidRequestError, NotFoundError):
        raise web.HTTPNotFound from None
    last_used_at = key.last_used_at.isoformat() if key.last_used_at else None
    return web.json_response({"name": key.name, "last_used_at": last_used_at})


def make_app() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(open_client)
    app.router.add_get("/keys/{key_id}", show_key)
    return app


if __name__ == "__main__":
    if "ACCESSKEYS_ORGANIZATION" not in os.environ:
        print("set these environment variables: ACCESSKEYS_ORGANIZATION", file=sys.stderr)
        sys.exit(2)
    web.run_app(make_app())
