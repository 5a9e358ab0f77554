"""Every administration operation asks the matrix for an action that is in it."""

from litestar import Litestar
from litestar.routes import HTTPRoute

from bailee.api.administration import ADMINISTRATION_ROUTES
from bailee.api.administration.session import ACTION
from bailee.policy.access.matrix import packaged_matrix


def test_every_operation_names_its_action() -> None:
    application = Litestar([*ADMINISTRATION_ROUTES], openapi_config=None)
    asked = {
        f"{method} {route.path}": handler.opt.get(ACTION)
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    }
    assert asked
    known = packaged_matrix().permissions
    assert {name: action for name, action in asked.items() if action not in known} == {}
