"""The first page: complete in both languages, self-contained, and nothing given is markup."""

import re
from html.parser import HTMLParser

from bailee.api.front_page import FrontPage, PageLink, front_page
from bailee.api.health import PartHealth
from bailee.policy.load import packaged_policy
from bailee.policy.show import BothLanguages, ids, show
from bailee.policy.unbuilt import unbuilt

POLICY = show(packaged_policy(), ids(packaged_policy())[-1])
PAGE = FrontPage(
    base_url="https://localhost:8443",
    model="smollm2-135m-instruct",
    program=".venv/bin/bailee",
    region="us",
    parts=[PartHealth("keeper", True, "ready"), PartHealth("database", True, "ready")],
    policy=POLICY,
)


class Reader(HTMLParser):
    """Collects visible text, addresses and elements, and checks that they nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.addresses: list[str] = []
        self.elements: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def test_it_says_what_this_release_does_not_carry_out() -> None:
    read = Reader(front_page(PAGE))
    known = {clause.id for clause in POLICY.clauses}
    assert unbuilt().clauses
    assert known.issuperset(unbuilt().clauses)
    assert unbuilt().text.english in read.text
    assert unbuilt().text.korean in read.text


def test_every_clause_stands_there_in_both_languages() -> None:
    page = Reader(front_page(PAGE))
    assert page.open == []
    for clause in POLICY.clauses:
        for text in (clause.title, clause.text):
            assert text.english in page.text
            assert text.korean in page.text
    assert len(POLICY.clauses) == 20


def test_it_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    html = front_page(PAGE)
    page = Reader(html)
    assert {"script", "img", "iframe"}.isdisjoint(page.elements)
    assert all(address.startswith(("/", "data:image/svg+xml,")) for address in page.addresses)
    assert not re.search(r"url\(|@import|\son\w+=", html)


def test_what_is_given_is_escaped() -> None:
    hostile = "<script>alert('x')</script>\"&"
    page = Reader(
        front_page(
            PAGE._replace(
                base_url=hostile,
                model=hostile,
                region=hostile,
                parts=[PartHealth(hostile, False, hostile)],
                links=[PageLink(BothLanguages(hostile, hostile), f'https://x/"{hostile}', "")],
            )
        )
    )
    assert "script" not in page.elements
    assert page.text.count(hostile) >= 5


def test_one_part_that_is_not_ready_is_said() -> None:
    assert "Answering" in front_page(PAGE)
    away = front_page(PAGE._replace(parts=[*PAGE.parts, PartHealth("clerk", False, "away")]))
    assert "Not ready" in away
    assert "Answering" not in away


def test_the_readers_language_comes_first() -> None:
    english, korean = front_page(PAGE), front_page(PAGE._replace(korean_first=True))
    assert english.startswith('<!doctype html><html lang="en">')
    assert korean.startswith('<!doctype html><html lang="ko">')
    assert english.index("Health") < english.index("상태")
    assert korean.index("상태") < korean.index("Health")


def test_unset_links_are_left_out() -> None:
    link = PageLink(BothLanguages("Sales", "영업"), "", "")
    assert "Sales" not in front_page(PAGE._replace(links=[link]))
