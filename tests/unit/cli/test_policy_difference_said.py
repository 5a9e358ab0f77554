"""What `bailee policy diff` prints is in one language throughout."""

import re

from bailee.cli.policy_drafts import difference_lines

DIFFERENCE = {
    "version": "2027-01-15",
    "follows": "2026-11-23",
    "effective": "2027-01-15T00:00:00.000Z",
    "parameters": [{"place": "C10", "name": "stored_days", "before": 30, "after": None}],
    "endpoints": [{"place": "/v1/x", "name": "sharing", "before": True, "after": False}],
    "texts": [{"clause": "C10", "part": part} for part in ("title", "text", "assumption")],
    "effects": [],
}


def test_korean_is_korean_throughout() -> None:
    lines = list(difference_lines(DIFFERENCE, korean=True))
    said, settings = [*lines[:1], *lines[3:]], lines[1:3]
    assert len(said) == 5
    assert all(re.search("[가-힣]", line) and not re.search("[a-z]", line) for line in said), said
    assert "2026-11-23" in said[0]
    assert settings == ["C10 stored_days: 30 → –", "/v1/x sharing: true → false"]
    begins = next(difference_lines({**DIFFERENCE, "follows": None}, korean=True))
    assert "첫 버전" in begins


def test_english_is_english_throughout() -> None:
    lines = list(difference_lines(DIFFERENCE, korean=False))
    assert lines[0].startswith("2027-01-15 follows 2026-11-23 from")
    assert lines[-1] == "no decision changes"
    assert not re.search("[가-힣]", "".join(lines))
