"""From policy files to a `PolicyHistory`: parsed once, strictly, every problem named.

A policy folder holds `versions/<id>.toml`, one file per version of one service's policy, and
`endpoints/<number>.toml`, tables of what each endpoint keeps. A version has its clauses written
out, or says `as_in = "<earlier version>"` where a clause reads as it did there. Endpoint tables
are never edited once published: a change is a new number.

Takes texts and reads no file: `load` and the command line do.
"""

import re
import tomllib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import EPOCH_LENGTH_MS, Instant
from bailee.policy.decide import API_SERVICE
from bailee.policy.history import (
    CLAUSE_IDS,
    NEEDED_CLAUSES,
    Clause,
    Coverage,
    EndpointRule,
    Improvement,
    PolicyHistory,
    PolicyVersion,
    Rules,
    State,
    Text,
    ZeroRetention,
    assemble,
    history,
)
from bailee.policy.lengthening import lengthenings
from bailee.policy.model import Feature
from bailee.policy.parameters import (
    CUSTODY_DAYS,
    NEEDED,
    covers_feature,
    read_parameters,
    stated,
)
from bailee.policy.reading import Problem, Table
from bailee.policy.texts import packaged_reasons, template_parameters

VERSIONS: Final = "versions/"
ENDPOINTS: Final = "endpoints/"
_SIDES: Final = ("input", "output")
_ENDPOINT: Final = re.compile(r"(?:(?:GET|POST|DELETE) )?/v1/[a-z_{}/]+\Z")


class PolicyProblems(InvalidInput):
    """A policy that cannot be used. `problems` has all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        lines = "\n".join(str(problem) for problem in problems)
        super().__init__(f"the policy has {len(problems)} problem(s); correct them:\n{lines}")
        self.problems = problems


class Examined(NamedTuple):
    """What reading a policy folder found."""

    versions: list[PolicyVersion]
    """Those that could be read. Not to be used while there are problems."""
    problems: list[Problem]


def parse(files: Mapping[str, str]) -> PolicyHistory:
    """Read a policy folder, given as texts by path relative to it.

    Raises:
        PolicyProblems: naming every problem with its file, its key and what is allowed.
    """
    examined = examine(files)
    if examined.problems:
        raise PolicyProblems(examined.problems)
    return history(examined.versions)


def examine(files: Mapping[str, str]) -> Examined:
    """As `parse`, giving the problems instead of raising them."""
    problems: list[Problem] = []
    tables: dict[int, dict[str, EndpointRule]] = {}
    drafts: list[_Draft] = []
    for path in sorted(files):
        table = _toml(path, files[path], problems)
        if table is None:
            continue
        stem = path.rsplit("/", 1)[-1].removesuffix(".toml")
        if path == f"{ENDPOINTS}{stem}.toml" and stem.isdecimal():
            tables[int(stem)] = _endpoint_table(table)
        elif path == f"{VERSIONS}{stem}.toml":
            drafts.append(_draft(stem, table))
        else:
            problems.append(
                Problem(path, "", "allowed: versions/<id>.toml and endpoints/<number>.toml")
            )
    drafts.sort(key=lambda draft: (draft.service, not draft.dated, draft.effective))
    _check_order(drafts, problems)
    versions = _versions(drafts, tables)
    # What follows what is not known of a service while one of its files has no date.
    undated = {draft.service for draft in drafts if not draft.dated}
    problems.extend(
        Problem(f"{VERSIONS}{found.version}.toml", found.key, found.message)
        for found in lengthenings([one for one in versions if one.service not in undated])
    )
    return Examined(versions, problems)


class _Draft(NamedTuple):
    """A version file whose head has been read."""

    id: str
    service: str
    effective: Instant
    dated: bool
    """Whether `effective` could be read; if not, it is no place in the history."""
    summary: Text
    endpoint_table: int
    clauses: Table
    head: Table

    @property
    def file(self) -> str:
        return self.head.file


def _toml(path: str, text: str, problems: list[Problem]) -> Table | None:
    try:
        return Table(tomllib.loads(text), path, "", problems)
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(path, "", f"not TOML: {error}"))
        return None


def _draft(stem: str, table: Table) -> _Draft:
    version_id = table.text("id")
    if version_id and version_id != stem:
        table.problem("id", f"the id is the file's name without `.toml`: {stem}")
    if not all("a" <= sign <= "z" or sign.isdecimal() or sign == "-" for sign in version_id):
        table.problem("id", "allowed: a-z, 0-9 and -")
    service = table.text("service")
    noted = len(table.problems)
    effective = table.instant("effective")
    dated = len(table.problems) == noted and effective >= 0
    if effective % EPOCH_LENGTH_MS or effective < 0:
        table.problem(
            "effective",
            "a version begins on the border of an epoch: on a full or half hour (UTC), not before "
            "1970-01-01T00:00:00Z",
        )
    summary_table = table.table("summary")
    summary = summary_table.both_languages()
    summary_table.end()
    endpoint_table = table.integer("endpoint_table", 1, 1_000_000)
    clauses = table.table("clauses")
    table.end()
    return _Draft(
        version_id or stem, service, effective, dated, summary, endpoint_table, clauses, table
    )


def _check_order(drafts: list[_Draft], problems: list[Problem]) -> None:
    """Each instant has one version of a service, and the API has one at every instant."""
    for before, after in pairwise([draft for draft in drafts if draft.dated]):
        if (before.service, before.effective) == (after.service, after.effective):
            after.head.problem(
                "effective",
                f"{before.id} takes effect at the same instant; each instant has one version",
            )
    of_the_api = [draft for draft in drafts if draft.service == API_SERVICE]
    first = of_the_api[0] if of_the_api else None
    if first is None:
        problems.append(Problem("versions/", "", "a version of the service `api` is needed"))
    elif first.effective != 0 and all(draft.dated for draft in of_the_api):
        first.head.problem("effective", "the API's first version is effective 1970-01-01T00:00:00Z")
    for draft in drafts:
        unknown = [key for key in draft.clauses.names() if key not in CLAUSE_IDS]
        for key in unknown:
            draft.clauses.problem(key, "allowed: C01 to C20")
        for needed in NEEDED_CLAUSES:
            if not draft.clauses.has(needed):
                draft.clauses.problem(needed, "every version has this clause: decisions cite it")


def _versions(
    drafts: list[_Draft], tables: Mapping[int, Mapping[str, EndpointRule]]
) -> list[PolicyVersion]:
    """Read the clauses, oldest version first, since a later one may refer to an earlier one.

    A draft without a date is read for its problems, and is no version.
    """
    written: dict[tuple[str, str], dict[str, Clause]] = {}
    undated = {(draft.service, draft.id) for draft in drafts if not draft.dated}
    versions: list[PolicyVersion] = []
    for draft in drafts:
        clauses: dict[str, Clause] = {}
        for clause_id in CLAUSE_IDS:
            if not draft.clauses.has(clause_id):
                continue
            clause = _clause(clause_id, draft, written, undated)
            if clause is not None:
                clauses[clause_id] = clause
        written[draft.service, draft.id] = clauses
        endpoints = tables.get(draft.endpoint_table)
        if endpoints is None:
            draft.head.problem(
                "endpoint_table", f"there is no {ENDPOINTS}{draft.endpoint_table}.toml"
            )
            endpoints = {}
        if not draft.dated:
            continue
        versions.append(
            assemble(
                version_id=draft.id,
                service=draft.service,
                effective=draft.effective,
                summary=draft.summary,
                clauses=clauses,
                endpoint_table=draft.endpoint_table,
                endpoints=endpoints,
                rules=_rules(clauses),
                texts=packaged_reasons(),
            )
        )
    return versions


def _clause(
    clause_id: str,
    draft: _Draft,
    written: Mapping[tuple[str, str], Mapping[str, Clause]],
    undated: AbstractSet[tuple[str, str]],
) -> Clause | None:
    table = draft.clauses.table(clause_id)
    if table.has("as_in"):
        earlier = table.text("as_in")
        found = written.get((draft.service, earlier), {}).get(clause_id)
        if found is None and (draft.service, earlier) not in undated:
            options = [version for service, version in written if service == draft.service]
            table.problem(
                "as_in",
                f"name an earlier version that has {clause_id}; earlier: "
                f"{', '.join(options) or 'none'}",
            )
        table.end()
        return found
    parameters = (
        read_parameters(clause_id, table.table("parameters"))
        if table.has("parameters") or clause_id in NEEDED
        else {}
    )
    title_table = table.table("title")
    title = title_table.both_languages()
    title_table.end()
    template = table.both_languages()
    assumption = None
    if table.has("assumption"):
        assumption_table = table.table("assumption")
        assumption = assumption_table.both_languages()
        assumption_table.end()
    table.end()
    must_state = stated(clause_id, parameters)
    text = Text(
        _filled(table, "english", template.english, parameters, must_state),
        _filled(table, "korean", template.korean, parameters, must_state),
    )
    return Clause(clause_id, draft.effective, draft.id, parameters, title, text, assumption)


def _filled(
    table: Table,
    language: str,
    template: str,
    parameters: Mapping[str, object],
    must_state: frozenset[str],
) -> str:
    """The text with its parameters, which are exactly those that it must state."""
    try:
        used = template_parameters(template)
    except ValueError as error:
        table.problem(language, f"braces enclose a parameter's name and nothing else: {error}")
        return template
    for name in sorted(must_state - used):
        table.problem(language, f"the text does not state the parameter {{{name}}}")
    for name in sorted(used - must_state):
        allowed = ", ".join(f"{{{each}}}" for each in sorted(must_state)) or "none"
        table.problem(language, f"{{{name}}} is not a parameter to be stated; allowed: {allowed}")
    return template.format_map(parameters) if used <= parameters.keys() else template


def _rules(clauses: Mapping[str, Clause]) -> Rules:
    """What decisions read. Stand-ins where a problem has been noted already."""

    def parameter(clause: str, name: str, otherwise: object) -> object:
        found = clauses.get(clause)
        return otherwise if found is None else found.parameters.get(name, otherwise)

    def whole(clause: str, name: str) -> int:
        value = parameter(clause, name, CUSTODY_DAYS)
        return value if isinstance(value, int) else CUSTODY_DAYS

    return Rules(
        abuse_monitoring_days=whole("C05", "abuse_monitoring_days"),
        improvement=Improvement(parameter("C02", "improvement", "opt_in")),
        improvement_days=whole("C02", "improvement_days"),
        stored_days=whole("C10", "stored_days"),
        classify_input=bool(parameter("C09", "classify_input", False)),
        classify_output=bool(parameter("C09", "classify_output", False)),
        protected_health_covers=Coverage(parameter("C16", "covers", "zero_retention_endpoints")),
        protected_health_stores=bool(parameter("C16", "covers_store", False)),
        protected_health_features=frozenset(
            feature for feature in Feature if parameter("C16", covers_feature(feature), False)
        ),
    )


def _endpoint_table(table: Table) -> dict[str, EndpointRule]:
    """Read a table of endpoints: one TOML table per path template."""
    rules: dict[str, EndpointRule] = {}
    for endpoint in table.names():
        entry = table.table(endpoint)
        if not _ENDPOINT.match(endpoint):
            table.problem(
                endpoint,
                "a path below /v1, with GET, POST or DELETE and a space in front where they differ",
            )
        state = entry.choice("state", State)
        rule = EndpointRule(
            endpoint=endpoint,
            abuse_monitoring=entry.flag("abuse_monitoring"),
            state=state,
            store_default=state is State.WHEN_STORED and entry.flag("store_default"),
            zero_retention=entry.choice("zero_retention", ZeroRetention),
            classified=_sides(entry),
            sharing=entry.flag("sharing"),
        )
        entry.end()
        _check_endpoint(entry, rule)
        rules[endpoint] = rule
    return rules


def _check_endpoint(entry: Table, rule: EndpointRule) -> None:
    """What cannot be true together."""
    if (rule.state is State.WHEN_STORED) != (rule.zero_retention is ZeroRetention.STORE_OFF):
        entry.problem("zero_retention", "store_off goes with state = when_stored, and only with it")
    if rule.state is State.UNTIL_DELETED and rule.zero_retention is not ZeroRetention.REFUSED:
        entry.problem("zero_retention", "what keeps until deleted is refused under zero retention")
    if rule.sharing and not rule.abuse_monitoring:
        entry.problem("sharing", "only what is held at all can be shared")


def _sides(entry: Table) -> tuple[str, ...]:
    value = entry.raw("classified")
    if not isinstance(value, list) or any(side not in _SIDES for side in value):
        entry.problem("classified", 'a list is needed; allowed in it: "input", "output"')
        return ()
    return tuple(side for side in _SIDES if side in value)
