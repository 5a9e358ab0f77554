"""The sign-in page in a real Chromium, by Playwright with a virtual authenticator.

Wants `BAILEE_TEST_PLAYWRIGHT`, a Python that has `playwright`, and `BAILEE_TEST_CHROMIUM`, the
browser; neither can be had everywhere without root. Without them it is skipped, and says so.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.fixtures.clients import ask_command
from tests.fixtures.installation import Installation, installation

pytestmark = [pytest.mark.journey, pytest.mark.soak]

SCRIPT: Final = Path(__file__).parents[1] / "interoperability" / "clients" / "sign_in_browser.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("browser")) as made:
        yield made


def test_a_passkey_enrols_and_signs_in_at_the_page(place: Installation) -> None:
    python, chromium = (
        os.environ.get(f"BAILEE_TEST_{name}", "") for name in ("PLAYWRIGHT", "CHROMIUM")
    )
    if not python or not chromium:
        pytest.skip("no browser was given: set BAILEE_TEST_PLAYWRIGHT and BAILEE_TEST_CHROMIUM")
    key = ask_command(place, "admin", "bootstrap")["key"]
    with place.client() as http:
        invited = http.post(
            "/v1/organization/invites",
            headers={"authorization": f"Bearer {key}"},
            json={"email": "ada@example.org", "role": "owner"},
        ).json()
    made = ask_command(place, "admin", "accept-invite", invited["id"], "--name", "Ada")
    origin, token = made["address"].split("/sign-in#")
    done = subprocess.run(
        [python, str(SCRIPT), chromium, origin, token],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    name, _, role = done.stdout.strip().split(" · ")
    assert (name, role) == ("Ada", "owner")
