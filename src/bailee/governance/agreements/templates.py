"""The texts of agreements, each a data file in English and Korean, with the fields of its form.

A file is never edited once its version was published: agreements name its digest. `parse` refuses
what it does not know. Which version is in force is `service`'s.
"""

import enum
import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from bailee.governance.agreements.countries import COUNTRIES
from bailee.governance.agreements.model import Kind, Language
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.instants import DAY_MS

_NAME: Final = re.compile(r"[a-z][a-z_]{0,39}")
_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_LATIN: Final = range(0xA0, 0x180)
SIGNATORY: Final = ("signatory_name", "signatory_title")
"""Fields that every form has: who signs for the customer."""
NAMED: Final = "legal_name"
"""And this: who the customer is."""


class Both(NamedTuple):
    """The same words in both languages."""

    english: str
    korean: str

    def of(self, language: Language) -> str:
        """The words in one of them."""
        return self.korean if language is Language.KOREAN else self.english


class FieldType(enum.Enum):
    """What a field of a form takes."""

    TEXT = "text"
    PARAGRAPH = "paragraph"
    EMAIL = "email"
    COUNTRY = "country"
    CHOICE = "choice"


class Field(NamedTuple):
    """A field of a form."""

    name: str
    type: FieldType
    required: bool
    max_characters: int
    label: Both
    choices: tuple[str, ...] = ()


class Section(NamedTuple):
    """A section of the text: paragraphs between empty lines."""

    title: Both
    words: Both


class CountersignedBy(enum.Enum):
    """Who signs for the operator."""

    STORED_SIGNATORY = "stored_signatory"
    """Whom the settings name, as soon as the customer has signed."""
    PERSON = "person"
    """A person of the operator's, one by one."""


class Template(NamedTuple):
    """One version of one agreement's text."""

    kind: Kind
    version: str
    title: Both
    review: bool
    """Whether somebody of the operator's assesses each one before it is signed."""
    countersigned_by: CountersignedBy
    requires: tuple[Kind, ...]
    """Agreements that must be in force first."""
    newer_text_notice_days: int
    """How long older ones stay in force once this version is published."""
    termination_notice_days: int
    """How long an executed one stays in force after notice of its termination."""
    fields: tuple[Field, ...]
    sections: tuple[Section, ...]
    digest: bytes
    """SHA-256 of the file."""

    @property
    def newer_text_notice_ms(self) -> int:
        """`newer_text_notice_days` in milliseconds."""
        return self.newer_text_notice_days * DAY_MS

    @property
    def termination_notice_ms(self) -> int:
        """`termination_notice_days` in milliseconds."""
        return self.termination_notice_days * DAY_MS

    def checked(self, form: Mapping[str, str], *, complete: bool) -> dict[str, str]:
        """A form as it is kept; `complete`: with every field that is required.

        Raises InvalidInput naming the field, or all that are missing; the message repeats nothing
        of what was written.
        """
        known = {field.name: field for field in self.fields}
        for name in form:
            if name not in known:
                raise InvalidInput(
                    f"The form has no such field; it has {', '.join(known)}.", field="form"
                )
        kept: dict[str, str] = {}
        missing: list[Field] = []
        for field in self.fields:
            value = unicodedata.normalize("NFC", form.get(field.name, "")).strip()
            if value:
                kept[field.name] = _checked(field, value)
            elif complete and field.required:
                missing.append(field)
        if missing:
            names = ", ".join(f"`{field.name}` ({field.label.english})" for field in missing)
            raise InvalidInput(
                f"The form still needs {names}.",
                field=f"form.{missing[0].name}",
            )
        return kept


class Library:
    """Every version of every text that this installation has."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._templates = sorted(templates, key=lambda one: one.version)

    def versions(self, kind: Kind) -> list[Template]:
        """The versions of one kind, oldest first; never empty."""
        return [template for template in self._templates if template.kind is kind]

    def one(self, kind: Kind, version: str) -> Template:
        """One version. Raises NotFound."""
        for template in self.versions(kind):
            if template.version == version:
                return template
        raise NotFound("There is no such version of this agreement. List the templates.")


@cache
def packaged_library() -> Library:
    """The texts that ship with Bailee."""
    folder = resources.files("bailee.governance.agreements").joinpath("templates")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".toml")),
        key=lambda file: file.name,
    )
    return Library([parse(file.read_bytes(), file.name) for file in files])


def printable(text: str) -> bool:
    """Whether the documents' font has every character: Latin, and what Korean text uses.

    `text` without line breaks. The letters of code page 949 and of Latin Extended-A; a test holds
    the font to it.
    """
    return text.isprintable() and all(map(_in_font, text))


def parse(data: bytes, file: str) -> Template:
    """Read a template. Raises InvalidInput naming the file and what it does not know."""
    try:
        document = tomllib.loads(data.decode())
        template = Template(
            kind=Kind(document.pop("kind")),
            version=document.pop("version"),
            title=_both(document.pop("title")),
            review=bool(document.pop("review")),
            countersigned_by=CountersignedBy(document.pop("countersigned_by")),
            requires=tuple(Kind(name) for name in document.pop("requires")),
            newer_text_notice_days=_days(document.pop("newer_text_notice_days")),
            termination_notice_days=_days(document.pop("termination_notice_days")),
            fields=tuple(_field(row) for row in document.pop("fields")),
            sections=tuple(_section(row) for row in document.pop("sections")),
            digest=hashlib.sha256(data).digest(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{file}: {error}", field=file) from None
    names = [field.name for field in template.fields]
    if document or len(set(names)) < len(names) or not {NAMED, *SIGNATORY} <= set(names):
        raise InvalidInput(f"{file}: unknown keys, or fields twice or missing", field=file)
    expected = f"{template.kind.value}-{template.version}.toml"
    if file != expected or not _VERSION.fullmatch(template.version):
        raise InvalidInput(f"{file}: a version is a date, as in {expected}", field=file)
    return template


def _checked(field: Field, value: str) -> str:
    lines = value.splitlines() if field.type is FieldType.PARAGRAPH else [value]
    problem = None
    if field.type is FieldType.COUNTRY and value not in COUNTRIES:
        problem = "a country's code of two capital letters (ISO 3166-1), as in KR"
    elif len(value) > field.max_characters:
        problem = f"at most {field.max_characters} characters"
    elif not all(map(printable, lines)):
        problem = "letters, digits and signs that Latin or Korean text uses, and no others"
    elif field.type is FieldType.EMAIL and not _EMAIL.fullmatch(value):
        problem = "an e-mail address"
    elif field.type is FieldType.CHOICE and value not in field.choices:
        problem = f"one of {', '.join(field.choices)}"
    if problem is not None:
        raise InvalidInput(f"The field `{field.name}` takes {problem}.", field=f"form.{field.name}")
    return value


def _in_font(character: str) -> bool:
    if ord(character) in _LATIN:
        return True
    try:
        character.encode("cp949")
    except UnicodeEncodeError:
        return False
    return True


def _field(row: dict[str, Any]) -> Field:
    field = Field(
        name=row.pop("name"),
        type=FieldType(row.pop("type")),
        required=bool(row.pop("required")),
        max_characters=int(row.pop("max_characters")),
        label=_both({name: row.pop(name) for name in ("english", "korean")}),
        choices=tuple(row.pop("choices", ())),
    )
    if row or not _NAME.fullmatch(field.name):
        raise ValueError(f"the field {field.name} has unknown keys or an impossible name")
    if (field.type is FieldType.CHOICE) != bool(field.choices):
        raise ValueError(f"the field {field.name} has choices exactly if it is a choice")
    return field


def _section(row: dict[str, Any]) -> Section:
    section = Section(
        _both(row.pop("title")), _both({name: row.pop(name) for name in ("english", "korean")})
    )
    if row:
        raise ValueError(f"unknown keys in a section: {', '.join(row)}")
    return section


def _days(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("a notice has one day or more")
    return value


def _both(row: dict[str, str]) -> Both:
    both = Both(row.pop("english").strip(), row.pop("korean").strip())
    if row or not all(both):
        raise ValueError("give english and korean, and nothing else")
    return both
