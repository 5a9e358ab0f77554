"""An organisation's administration, in the shapes, paging and errors of OpenAI's.

Every operation wants an admin key. These modules know paths, parameters and shapes; the governance
nouns decide.
"""

from typing import Final

from litestar import Router

from bailee.api.administration import (
    admin_keys,
    audit,
    certificates,
    people,
    project_keys,
    projects,
    spend_alerts,
    usage,
)

ADMINISTRATION_ROUTES: Final[tuple[Router, ...]] = (
    admin_keys.ROUTER,
    projects.ROUTER,
    project_keys.ROUTER,
    people.ROUTER,
    audit.ROUTER,
    usage.ROUTER,
    spend_alerts.ROUTER,
    certificates.ROUTER,
)
