"""The first page: what this is, the first request to copy, each part's health, the policy.

One document without scripts and without anything from elsewhere, readable on a phone, light or dark
as the reader's system is. English and Korean stand side by side and are equal in content. It is
made from what it is given and decides nothing; everything given is escaped.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from bailee.api.front_page_style import STYLE
from bailee.api.health import PartHealth
from bailee.policy.show import BothLanguages, ShownClause, ShownVersion
from bailee.policy.unbuilt import unbuilt


class PageLink(NamedTuple):
    """One address in both languages; an empty one is left out."""

    label: BothLanguages
    english: str
    korean: str


class FrontPage(NamedTuple):
    """What the page shows."""

    base_url: str
    """Without a path, as in `https://localhost:8443`."""
    model: str
    """A model name that answers, for the example."""
    program: str
    """How a shell on the server's machine calls Bailee, as in `bailee` or `.venv/bin/bailee`."""
    region: str
    parts: Sequence[PartHealth]
    policy: ShownVersion
    links: Sequence[PageLink] = ()
    korean_first: bool = False
    """Whether the reader's browser prefers Korean."""


def front_page(state: FrontPage) -> str:
    """The whole document."""
    pen = _Pen(state.korean_first)
    sections = "".join(
        (
            _head(state, pen),
            _first_request(state, pen),
            _health(state, pen),
            _policy(state, pen),
            _foot(state, pen),
        )
    )
    language = "ko" if state.korean_first else "en"
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>Bailee</title>'
        f'<link rel="icon" href="{_ICON}"><style>{STYLE}</style></head>'
        f"<body><main>{sections}</main></body></html>"
    )


_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%230f6b5c'/%3E"
    "%3Cpath d='M5 3v10M5 8h3.5a2.5 2.5 0 0 1 0 5H5M5 3h3a2.5 2.5 0 0 1 0 5' fill='none' "
    "stroke='%23fff' stroke-width='1.6'/%3E%3C/svg%3E"
)


class _Pen(NamedTuple):
    """Writes what is said in both languages, in the reader's order."""

    korean_first: bool

    def _ordered(self, english: str, korean: str) -> str:
        return korean + english if self.korean_first else english + korean

    def both(self, english: str, korean: str) -> str:
        """A short text in both languages, on one line."""
        return (
            '<span class="both">'
            + self._ordered(
                f'<span lang="en">{escape(english)}</span>',
                f'<span lang="ko">{escape(korean)}</span>',
            )
            + "</span>"
        )

    def pair(self, english: str, korean: str) -> str:
        """Two columns of the same content; below each other on a narrow screen."""
        columns = self._ordered(f'<div lang="en">{english}</div>', f'<div lang="ko">{korean}</div>')
        return f'<div class="pair">{columns}</div>'

    def texts(self, text: BothLanguages, kind: str = "") -> str:
        """A paragraph in both languages."""
        opening = f'<p class="{kind}">' if kind else "<p>"
        return self.pair(
            f"{opening}{escape(text.english)}</p>", f"{opening}{escape(text.korean)}</p>"
        )

    def fact(self, english: str, korean: str, value: str) -> str:
        """A value under its name."""
        return f"<span>{self.both(english, korean)} <b>{escape(value)}</b></span>"

    def link(self, label: BothLanguages, english: str, korean: str) -> str:
        """A link in each language that has an address; nothing where neither has."""
        in_english = f'<a lang="en" href="{escape(english)}">{escape(label.english)}</a>'
        in_korean = f'<a lang="ko" href="{escape(korean)}">{escape(label.korean)}</a>'
        found = self._ordered(in_english if english else "", in_korean if korean else "")
        return f"<span>{found}</span>" if found else ""


def _head(state: FrontPage, pen: _Pen) -> str:
    ready = all(part.ready for part in state.parts)
    word = pen.both("Answering", "응답 중") if ready else pen.both("Not ready", "준비되지 않음")
    return (
        f'<header><p class="name">Bailee</p><p class="state {"good" if ready else "bad"}">'
        f"<i></i>{word}</p></header>"
        '<section class="lead">'
        + pen.pair(
            "<h1>What you send is held in trust: for a stated purpose, for a stated time.</h1>"
            "<p>An OpenAI-compatible API. Every prompt and answer is sealed under a key that dies "
            "on a stated date, and a public log lets anyone check that it did.</p>",
            "<h1>맡기신 데이터는 밝힌 목적으로, 밝힌 기간만 보관합니다.</h1>"
            "<p>OpenAI 호환 API입니다. 모든 프롬프트와 답변은 예고한 날짜에 파기되는 키로 "
            "봉인되며, 실제로 파기되었는지는 공개 로그로 누구나 확인할 수 있습니다.</p>",
        )
        + "</section>"
    )


def _first_request(state: FrontPage, pen: _Pen) -> str:
    model = escape(state.model)
    shell = (
        f'eval "$({escape(state.program)} env)"\n'
        'curl "$OPENAI_BASE_URL/chat/completions" \\\n'
        '  -H "authorization: Bearer $OPENAI_API_KEY" \\\n'
        '  -H "content-type: application/json" \\\n'
        f'  -d \'{{"model": "{model}", "messages":\n'
        '       [{"role": "user", "content": "Hello"}]}\''
    )
    python = (
        "from openai import OpenAI\n\n"
        "client = OpenAI()  # reads the environment\n"
        "answer = client.chat.completions.create(\n"
        f'    model="{model}",\n'
        '    messages=[{"role": "user", "content": "Hello"}],\n'
        ")\nprint(answer.choices[0].message.content)"
    )
    return (
        "<section><h2>" + pen.both("The first request", "첫 요청") + "</h2>"
        f'<p class="facts">{pen.fact("base address", "기본 주소", f"{state.base_url}/v1")}'
        f"{pen.fact('model', '모델', state.model)}</p>"
        '<div class="codes">'
        f"<figure><figcaption>curl</figcaption><pre><code>{shell}</code></pre></figure>"
        f"<figure><figcaption>Python, openai SDK</figcaption><pre><code>{python}</code></pre>"
        "</figure></div>"
        + pen.pair(
            "<p>Each answer says how it is handled: <code>bailee-record</code>, "
            "<code>bailee-policy</code>, <code>bailee-handling</code>, and "
            "<code>bailee-receipt-key</code>, with which you can later prove that a receipt is "
            "about your exchange.</p>",
            "<p>모든 답변의 헤더에는 처리 방식이 담깁니다. <code>bailee-record</code>, "
            "<code>bailee-policy</code>, <code>bailee-handling</code>과 함께 "
            "<code>bailee-receipt-key</code>가 제공되며, 이 키로 증명서가 본인의 대화에 관한 "
            "것임을 나중에 증명할 수 있습니다.</p>",
        )
        + "</section>"
    )


def _health(state: FrontPage, pen: _Pen) -> str:
    rows = "".join(
        f'<li class="{"good" if part.ready else "bad"}"><i></i><b>{escape(part.name)}</b>'
        f"<span>{escape(part.detail)}</span></li>"
        for part in state.parts
    )
    return (
        "<section><h2>"
        + pen.both("Health", "상태")
        + f'</h2><ul class="parts">{rows}</ul></section>'
    )


def _policy(state: FrontPage, pen: _Pen) -> str:
    policy = state.policy
    clauses = "".join(_clause(clause, pen) for clause in policy.clauses)
    return (
        "<section><h2>" + pen.both("The policy", "정책") + "</h2>"
        '<p class="facts">'
        + pen.fact("version", "버전", policy.id)
        + pen.fact("in force since", "시행", policy.effective[:10])
        + pen.fact("region", "리전", state.region)
        + "</p>"
        + pen.texts(policy.summary)
        + f'<div class="clauses">{clauses}</div>'
        + pen.pair(
            '<p class="note">English governs the meaning.</p>',
            '<p class="note">해석상 차이가 있으면 영어 문안을 따릅니다.</p>',
        )
        + pen.texts(unbuilt().text, "note")
        + "</section>"
    )


def _clause(clause: ShownClause, pen: _Pen) -> str:
    assumption = "" if clause.assumption is None else pen.texts(clause.assumption, "note")
    opened = " open" if clause.id in ("C02", "C05") else ""
    title = pen.both(clause.title.english, clause.title.korean)
    return (
        f'<details id="{escape(clause.id)}"{opened}><summary><b>{escape(clause.id)}</b>'
        f"<span>{title}</span></summary>{pen.texts(clause.text)}{assumption}</details>"
    )


def _foot(state: FrontPage, pen: _Pen) -> str:
    links = [
        pen.link(
            BothLanguages("Transparency log", "투명성 로그"), "/log/checkpoint", "/log/checkpoint"
        ),
        pen.link(BothLanguages("Health as JSON", "상태 JSON"), "/health", "/health"),
    ]
    links += [pen.link(link.label, link.english, link.korean) for link in state.links]
    return f"<footer>{''.join(links)}</footer>"
