"""`bailee verify`: check receipts offline, with nothing but two public keys.

The same steps as `verifier/bailee_verify.py`, which needs no Bailee installed.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings
from bailee.kernel.errors import InvalidInput


def verify(
    receipts: Annotated[list[Path], typer.Argument(metavar="RECEIPT…", help="Receipt files.")],
    log_key: Annotated[
        str | None, typer.Option(help="The log's vkey; default: this installation's.")
    ] = None,
    keeper_key: Annotated[
        str | None, typer.Option(help="The keeper's key, hexadecimal; default: this one's.")
    ] = None,
    receipt_key: Annotated[
        str | None, typer.Option(help="The answer's bailee-receipt-key, hexadecimal.")
    ] = None,
    request: Annotated[Path | None, typer.Option(help="The request body as it was sent.")] = None,
    answer: Annotated[Path | None, typer.Option(help="The answer body as it came.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify receipts, and whether one is about exactly your exchange.

    Example: bailee verify receipt.json --receipt-key 5d… --request q.json --answer a.json
    """
    from bailee.cli.output import print_json
    from bailee.transparency.note import VerifierKey

    exchange = _exchange(receipts, receipt_key, request, answer)
    if log_key is None or keeper_key is None:
        own = public_keys(load_settings(config, data, assignments).settings.data_folder)
        log_key, keeper_key = log_key or own[0], keeper_key or own[1]
    key, keeper = VerifierKey.parse(log_key), _hexadecimal(keeper_key, "--keeper-key")
    results = [_result(receipt, key, keeper, exchange) for receipt in receipts]
    if as_json:
        print_json(results)
    else:
        for result in results:
            print(f"{result['receipt']}: {'verified' if result['verified'] else 'NOT VERIFIED'}")
            for line in result["says"]:
                print(f"  {line}")
    if not all(result["verified"] for result in results):
        raise typer.Exit(1)


def public_keys(data_folder: Path) -> tuple[str, str]:
    """The keys that this installation's receipts are verified with: the log's, the keeper's.

    Raises:
        InvalidInput: if the installation has not been started yet.
    """
    import msgspec

    try:
        known = msgspec.json.decode((data_folder / "trust" / "trust.json").read_bytes())
        return str(known["log_key"]), str(known["keeper_key"] or "")
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{data_folder}/trust/trust.json does not tell this installation's keys; start it "
            "once, or give --log-key and --keeper-key"
        ) from error


def _exchange(
    receipts: list[Path], receipt_key: str | None, request: Path | None, answer: Path | None
) -> tuple[bytes, bytes, bytes] | None:
    if receipt_key is None and request is None and answer is None:
        return None
    if receipt_key is None or request is None or answer is None or len(receipts) != 1:
        raise InvalidInput("--receipt-key, --request and --answer go together, with one receipt")
    return _hexadecimal(receipt_key, "--receipt-key"), _read(request), _read(answer)


def _result(
    path: Path, log_key: Any, keeper_key: bytes, exchange: tuple[bytes, bytes, bytes] | None
) -> dict[str, Any]:
    try:
        verified, says = _said(_read(path), log_key, keeper_key, exchange)
    except InvalidInput as error:
        verified, says = False, [str(error)]
    return {"receipt": str(path), "verified": verified, "says": says}


def _said(
    document: bytes, log_key: Any, keeper_key: bytes, exchange: tuple[bytes, bytes, bytes] | None
) -> tuple[bool, list[str]]:
    from bailee.kernel.instants import to_rfc3339
    from bailee.transparency import receipt

    if f'"{receipt.DESTRUCTION}"'.encode() in document:
        gone = receipt.verify_destruction(document, log_key, keeper_key)
        says = f"{gone.subject} was destroyed, unusable from {to_rfc3339(gone.unusable_at)}"
        lines = [f"{says}, {gone.lateness_ms} ms late", receipt.DESTRUCTION_PROVES]
        return True, [*lines, _not_proved(receipt.DESTRUCTION_DOES_NOT_PROVE)]
    facts = receipt.verify_response(document, log_key, keeper_key)
    lines = [f"{facts.record} was recorded in {facts.region}, {to_rfc3339(facts.sealed_at)}"]
    if exchange is not None:
        if not facts.is_about(*exchange):
            return False, [*lines, "it is about another exchange than the one given"]
        lines.append("it is about exactly this request and answer")
    lines.append(receipt.RESPONSE_PROVES)
    return True, [*lines, _not_proved(receipt.RESPONSE_DOES_NOT_PROVE)]


def _not_proved(what: str) -> str:
    return f"It does not prove {what[0].lower()}{what[1:]}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from error


def _hexadecimal(text: str, option: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidInput(f"{option} is hexadecimal digits") from None
