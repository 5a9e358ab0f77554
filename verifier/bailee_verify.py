"""Verify a Bailee receipt offline. One file: the standard library and `cryptography`'s Ed25519.

    python bailee_verify.py receipt.json --log-key VKEY --keeper-key HEX
        [--receipt-key HEX --request FILE --answer FILE]   is it about my exchange?

Exit code 0: verified. 1: not verified. 2: malformed option. The numbered steps are those of
docs/formats/receipt.md, which says where the two keys come from.
"""

import argparse
import base64
import hashlib
import json
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

RESPONSE, DESTRUCTION = "bailee-response-receipt", "bailee-destruction-receipt"
LIMITS = """It does not prove that nobody copied plaintext while it was lawful to see it, or keyring
and root together, nor that others are shown the same log (it is unwitnessed)."""


def need(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(what)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text: str, size: int | None = None) -> bytes:
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "a value is not canonical base64")
    need(size in (None, len(data)), "a value has the wrong length")
    return data


def fields(label: str, *values: bytes) -> bytes:
    """An unambiguous message: the label and each value behind its length (4 bytes)."""
    return b"".join(len(value).to_bytes(4, "big") + value for value in (label.encode(), *values))


def canonical(value: object) -> bytes:
    """RFC 8785, for the text, whole numbers, booleans and nulls that Bailee writes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_signature(key: bytes, signature: bytes, message: bytes, what: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        raise ValueError(f"{what} is not signed by the right key") from None


def open_checkpoint(note: str, log_key: str) -> tuple[int, bytes]:
    """Size and root that the log's key signed (C2SP signed-note, tlog-checkpoint)."""
    need(log_key.count("+") > 1, "the log key is not written NAME+ID+KEY")
    name, key_id, encoded = log_key.split("+", 2)
    key = unbase64(encoded, 33)
    need(key[0] == 1 and sha256(name.encode(), b"\n", key)[:4].hex() == key_id, "bad log key")
    text, _, lines = note.rpartition("\n\n")
    need(lines.endswith("\n"), "the checkpoint is cut short")
    signed = False
    for line in lines[:-1].split("\n"):
        dash, signer, value = line.split(" ")
        need(dash == "\u2014", "a signature line is malformed")
        if signer == name and unbase64(value)[:4].hex() == key_id:
            check_signature(key[1:], unbase64(value)[4:], f"{text}\n".encode(), "the checkpoint")
            signed = True
    origin, size, root = text.split("\n")[:3]
    need(signed and origin == name and str(int(size)) == size, "it is another log's checkpoint")
    return int(size), unbase64(root, 32)


def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion path leads to (RFC 9162, 2.1.3.2)."""
    need(type(index) is int and 0 <= index < size, "the index is outside of the tree")
    last = size - 1
    for item in path:
        need(last > 0, "the path is too long")
        if index & 1 or index == last:
            leaf = sha256(b"\x01", item, leaf)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            leaf = sha256(b"\x01", leaf, item)
        index, last = index >> 1, last >> 1
    need(last == 0, "the path is too short")
    return leaf


def check_response(receipt: dict[str, Any], entry: dict[str, Any], keeper_key: bytes) -> bytes:
    # 3. The keeper certified the worker's key, for this region and the time of sealing.
    header, given = unbase64(receipt["header"], 170), receipt["certificate"]
    begin, end, region = given["not_before_ms"], given["not_after_ms"], entry["region"].encode()
    key, signature = unbase64(given["public_key"], 32), unbase64(given["signature"], 64)
    validity = (begin.to_bytes(8, "big"), end.to_bytes(8, "big"))
    boot = fields("bailee/1/boot", given["worker"].encode(), region, key, *validity)
    check_signature(keeper_key, signature, boot, "the worker's certificate")
    logged = sha256(fields("bailee/1/boot-certificate", boot, signature))
    need(unbase64(entry["certificate"]) == logged, "the log holds another certificate")
    need(begin <= int.from_bytes(header[26:34], "big") <= end, "the certificate was not valid")
    # 4. The worker signed the journal's root.
    journal, root, epoch = receipt["journal"], unbase64(entry["root"]), header[10:14]
    place = (region, epoch, bytes.fromhex(entry["journal"]), entry["parts"].to_bytes(4, "big"))
    signed = fields("bailee/1/journal-root", *place, root)
    check_signature(key, unbase64(journal["signature"]), signed, "the journal's root")
    # 5. The record's final part (version 1, flag 1), of the journal's epoch, is under that root.
    need(header[0] == 1 and header[2] & 1, "it is not a record's final part")
    need(int.from_bytes(epoch, "big") == entry["epoch"], "the part is of another epoch")
    need(receipt["record"] == f"rec_{header[10:26].hex()}", "the part is of another record")
    part = sha256(sha256(header), unbase64(receipt["ciphertext"], 32))
    leaf = sha256(b"\x00", header[102:134], sha256(header[70:102], part))
    path = unbase64(journal["path"])
    items = [path[at : at + 32] for at in range(0, len(path), 32)]
    need(climb(leaf, journal["index"], entry["parts"], items) == root, "it is not in the journal")
    return header


def check_destruction(receipt: dict[str, Any], entry: dict[str, Any], keeper_key: bytes) -> None:
    # 3. The keeper signed the statement that the entry binds.
    said, signature = receipt["statement"], unbase64(receipt["signature"], 64)
    document = canonical(said)
    check_signature(keeper_key, signature, fields("bailee/1/destroyed", document), "the statement")
    need(unbase64(entry["statement"]) == sha256(document), "the log holds another statement")
    # 4. Entry and statement agree, and the lateness follows from the epoch's deadline.
    repeated = ("subject", "unusable_at", "irrecoverable_at", "lateness_ms")
    need(all(said[name] == entry[name] for name in repeated), "entry and statement disagree")
    deadline, epoch = datetime.fromisoformat(said["deadline"]), said["subject"].split("/")[3:]
    due = [datetime.fromtimestamp(0, UTC) + timedelta(days=30, minutes=30 * int(n)) for n in epoch]
    need(due in ([], [deadline]), "the deadline is not the epoch's")
    late = (datetime.fromisoformat(said["unusable_at"]) - deadline) // timedelta(milliseconds=1)
    need(said["lateness_ms"] == max(0, late), "the lateness is not what the times say")


def verify(
    document: dict[str, Any], log_key: str, keeper_key: bytes, exchange: tuple[bytes, ...] = ()
) -> list[str]:
    """Sentences saying what a receipt proves; an exception when it proves nothing.
    `exchange`: receipt key, request body and answer body, when it is to be about these."""
    kind, entry = document["type"], document["entry"]
    version = (document["version"], document["witnesses"])
    need(kind in (RESPONSE, DESTRUCTION) and version == (1, "unwitnessed"), "not of version 1")
    # 1. The log signed the checkpoint. 2. The entry is under it (C2SP tlog-proof).
    head, _, note = document["proof"].partition("\n\n")
    title, place, *path = head.split("\n")
    index = int(place.removeprefix("index "))
    need((title, place) == ("c2sp.org/tlog-proof@v1", f"index {index}"), "the proof is malformed")
    size, root = open_checkpoint(note, log_key)
    leaf = sha256(b"\x00", canonical(entry))
    found = climb(leaf, index, size, [unbase64(item, 32) for item in path])
    need(found == root, "the entry is not in the log")
    need(entry["type"] == {RESPONSE: "journal_closed", DESTRUCTION: "destroyed"}[kind], "bad entry")
    if kind == DESTRUCTION:
        need(not exchange, "a destruction receipt is about an epoch, not about an exchange")
        check_destruction(document, entry, keeper_key)
        said, gone = document["statement"], entry["irrecoverable_at"] or "a time not promised"
        times = f"unusable from {said['unusable_at']}, irrecoverable from {gone}"
        late = f"{said['lateness_ms']} ms late. Assumed: {said['assumption']}"
        return [f"The keeper destroyed {said['subject']}: {times}, {late}", LIMITS]
    header = check_response(document, entry, keeper_key)
    about = "Whose exchange it is was not checked."
    if exchange:  # 6. It is about this exchange.
        key, request, answer = exchange
        commitment = sha256(key, sha256(request), sha256(answer))
        need(commitment == header[102:134], "the receipt is about another exchange")
        about = "It is about exactly this request and this answer."
    logged = f"{document['record']} was recorded in region {entry['region']} and is in the log."
    return [logged, about, "It does not prove that the content has been destroyed.", LIMITS]


def main() -> None:
    parser = argparse.ArgumentParser(description="Verify a Bailee receipt offline.")
    parser.add_argument("receipt", type=Path)
    parser.add_argument("--log-key", required=True, help="the log's vkey")
    parser.add_argument("--keeper-key", required=True, type=bytes.fromhex, help="hexadecimal")
    parser.add_argument("--receipt-key", type=bytes.fromhex, help="the answer's bailee-receipt-key")
    parser.add_argument("--request", type=Path, help="file with the request's body as sent")
    parser.add_argument("--answer", type=Path, help="file with the answer's body as received")
    given = parser.parse_args()
    try:
        bodies = [file.read_bytes() for file in (given.request, given.answer) if file]
        need(len(bodies) == 2 * bool(given.receipt_key), "give receipt key, request and answer")
        exchange = (given.receipt_key, *bodies) if given.receipt_key else ()
        document = json.loads(given.receipt.read_bytes())
        said = verify(document, given.log_key, given.keeper_key, exchange)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        told = {KeyError: "the receipt has no field ", json.JSONDecodeError: "no JSON: "}
        sys.exit(f"NOT VERIFIED: {told.get(type(error), '')}{error}")
    print("VERIFIED", *(textwrap.fill(one, 100) for one in said), sep="\n")


if __name__ == "__main__":
    main()
