"""What the document of an agreement says: particulars, text, both signatures.

English governs the meaning, so that a document in Korean has the English text as an annex.
"""

from typing import Final

from bailee.governance.agreements.events import AGREEMENT
from bailee.governance.agreements.model import Agreement, Language, Signature
from bailee.governance.agreements.templates import NAMED, Both, Template
from bailee.kernel.ids import handle_text
from bailee.kernel.instants import Instant, to_rfc3339
from bailee.ports.documents import Document, Part

_PARTICULARS: Final = Both("Particulars", "기재 사항")
_CUSTOMER: Final = Both("The customer", "고객")
_OPERATOR: Final = Both("The operator", "운영자")
_LEGAL_NAME: Final = Both("Legal name", "법적 명칭")
_ADDRESS: Final = Both("Address", "주소")
_VERSION: Final = Both("Version of the text", "계약 문안의 버전")
_TEXT_DIGEST: Final = Both("SHA-256 of the text", "계약 문안의 SHA-256")
_IDENTIFIER: Final = Both("Agreement", "계약 번호")
_FOR_CUSTOMER: Final = Both("Signed for the customer", "고객의 서명")
_FOR_OPERATOR: Final = Both("Counter-signed for the operator", "운영자의 부서")
_NAME: Final = Both("Name", "성명")
_TITLE: Final = Both("Title", "직위")
_ON_BEHALF: Final = Both("On behalf of", "대표하는 당사자")
_RECORDED: Final = Both("Signed electronically as", "전자 서명한 계정")
_WHEN: Final = Both("At", "서명 시각")
_STORED: Final = Both("the operator's stored signatory", "운영자가 지정해 둔 서명자")
_ABOUT: Final = Both("About this document", "이 문서에 관하여")
_SEALED: Final = Both(
    "Both signatures were given electronically and recorded at the instants above. The file is"
    " sealed with the certificate of the installation that recorded them (PAdES), and its SHA-256"
    " is an entry of the operator's public log: whoever has the file can check that it is the one"
    " that was executed.",
    "양 당사자는 위에 적힌 시각에 전자적으로 서명하였고 그 사실이 기록되었습니다. 이 파일은 서명을"
    " 기록한 시스템의 인증서로 봉인되었으며(PAdES), 파일의 SHA-256 값은 운영자의 공개 로그에"
    " 남아 있습니다. 파일을 가진 사람은 누구나 체결된 바로 그 문서인지 확인할 수 있습니다.",
)
_ANNEX: Final = (
    "Annex: the English text, which governs the meaning / 부속: 의미의 기준이 되는 영어본"
)


def document_of(row: Agreement, template: Template, at: Instant) -> Document:
    """The document of an agreement that both have signed."""
    language = row.language
    signature, counter = row.signature, row.countersignature
    if signature is None or counter is None or row.operator_name is None:
        raise AssertionError("both have signed")
    name = handle_text(AGREEMENT, row.agreement)

    def in_language(both: Both) -> str:
        return both.of(language)

    def signed(heading: Both, one: Signature, party: str) -> Part:
        known = in_language(_STORED) if one.actor == "operator" else one.actor
        rows = [
            (in_language(_NAME), one.name),
            (in_language(_TITLE), one.title),
            (in_language(_ON_BEHALF), party),
            (in_language(_RECORDED), known),
            (in_language(_WHEN), to_rfc3339(one.at)),
            (in_language(_VERSION), row.version),
        ]
        return Part(in_language(heading), rows)

    particulars = [
        (in_language(_IDENTIFIER), name),
        (in_language(_VERSION), row.version),
        (in_language(_TEXT_DIGEST), row.text_digest.hex()),
    ]
    customer = [
        (in_language(field.label), row.form[field.name])
        for field in template.fields
        if field.name in row.form
    ]
    operator = [
        (in_language(_LEGAL_NAME), row.operator_name),
        (in_language(_ADDRESS), row.operator_address or ""),
    ]
    parts = [
        Part(in_language(_PARTICULARS), particulars),
        Part(in_language(_CUSTOMER), customer),
        Part(in_language(_OPERATOR), operator),
        *_text(template, language),
        signed(_FOR_CUSTOMER, signature, row.form[NAMED]),
        signed(_FOR_OPERATOR, counter, row.operator_name),
        Part(in_language(_ABOUT), (), (in_language(_SEALED),)),
    ]
    if language is not Language.ENGLISH:
        parts += [Part(_ANNEX), *_text(template, Language.ENGLISH)]
    return Document(
        language="ko" if language is Language.KOREAN else "en",
        title=in_language(template.title),
        subtitle=f"{row.form[NAMED]} · {row.operator_name}",
        parts=parts,
        footer=f"{in_language(template.title)} {row.version} · {name}",
        at=at,
    )


def _text(template: Template, language: Language) -> list[Part]:
    return [
        Part(
            section.title.of(language),
            (),
            [" ".join(words.split()) for words in section.words.of(language).split("\n\n")],
        )
        for section in template.sections
    ]
