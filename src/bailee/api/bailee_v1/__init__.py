"""Bailee's own operations under `/bailee/v1` for people who govern: who may, what was agreed.

Every operation wants an admin key or a signed-in person, but for those that its module calls
public. These modules know paths, bodies and shapes, which are like OpenAI's administration API:
lists, paging, Unix seconds, errors. The governance nouns decide, and ask `policy.access` first.
"""

from typing import Final

from litestar import Router

from bailee.api.bailee_v1 import (
    access,
    agreements,
    consents,
    people,
    policy,
    services,
    sessions,
    sign_in,
    sign_in_page,
    webhooks,
    zero_retention,
)

BAILEE_ROUTES: Final[tuple[Router, ...]] = (
    access.ROUTER,
    agreements.ROUTER,
    consents.ROUTER,
    people.PEOPLE,
    people.ROLES,
    policy.ROUTER,
    services.ROUTER,
    sessions.ROUTER,
    sign_in.ROUTER,
    sign_in_page.ROUTER,
    webhooks.ROUTER,
    zero_retention.ROUTER,
)
