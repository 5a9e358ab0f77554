"""Doctor's checks of the machine: disk, clocks, swap, and whether G2 can be enforced.

Each takes what it looks at as arguments where that can differ, so that tests can show it a sick
machine. Linux only; elsewhere a check says that it cannot tell.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bailee.cli.findings import Finding, ok, problem, warning
from bailee.drivers.confinement import active_swaps, landlock_abi
from bailee.kernel.instants import HOUR_MS, SECOND_MS, Instant, to_rfc3339
from bailee.ports.clock import Clock

NEEDED_BYTES: Final = 1 << 30
COMFORTABLE_BYTES: Final = 5 << 30
CLOCK_SAMPLE_S: Final = 0.2
CLOCK_TOLERANCE_S: Final = 0.05
RTC_TOLERANCE_MS: Final = 10 * 60 * SECOND_MS


def disk(folder: Path, free_bytes: int | None = None) -> Finding:
    """Room for journals, segments and the database."""
    free = shutil.disk_usage(_existing(folder)).free if free_bytes is None else free_bytes
    said = f"{free / 1e9:.1f} GB free for {folder}"
    if free < NEEDED_BYTES:
        return problem("disk", said, "free at least 1 GB: a full journal refuses requests with 503")
    if free < COMFORTABLE_BYTES:
        return warning("disk", said, "plan for more: content stays for 30 days")
    return ok("disk", said)


async def clock_steadiness(clock: Clock) -> Finding:
    """Wall clock and monotonic clock advance alike."""
    wall, steady = clock.now(), clock.monotonic_s()
    await clock.sleep_s(CLOCK_SAMPLE_S)
    drift = abs((clock.now() - wall) / 1000 - (clock.monotonic_s() - steady))
    if drift > CLOCK_TOLERANCE_S:
        return problem(
            "clock",
            f"the wall clock moved {drift:.2f} s against the monotonic clock within "
            f"{CLOCK_SAMPLE_S} s",
            "let one time service discipline the clock, slewing it; destruction follows it",
        )
    return ok("clock", f"wall and monotonic clock agree; it is {to_rfc3339(clock.now())}")


def clock_source(now: Instant, rtc: Path = Path("/sys/class/rtc/rtc0/since_epoch")) -> Finding:
    """A second source of time agrees: the machine's hardware clock."""
    try:
        hardware = Instant(int(rtc.read_text()) * 1000)
    except (OSError, ValueError):
        return warning(
            "second clock",
            "there is no hardware clock to compare with",
            "nothing, if a time service runs; two sources must agree before keys are destroyed",
        )
    apart = abs(now - hardware)
    if apart > RTC_TOLERANCE_MS:
        return problem(
            "second clock",
            f"the hardware clock says {to_rfc3339(hardware)}, {apart // 1000} s away",
            "set the right one (hwclock --systohc, or the system's time)",
        )
    return ok("second clock", "the hardware clock agrees")


def clock_mark(folder: Path, now: Instant) -> Finding:
    """The clock has not gone back behind what the data folder was last written at."""
    newest = max((int(path.stat().st_mtime * 1000) for path in _marks(folder)), default=None)
    if newest is None:
        return ok("clock mark", "nothing has been written yet")
    if newest > now + HOUR_MS:
        return problem(
            "clock mark",
            f"the data folder was written at {to_rfc3339(Instant(newest))}, in this clock's future",
            "set the clock right before starting: what is due would die late, or early",
        )
    return ok("clock mark", "the clock is ahead of everything that was written")


def swap(devices: Sequence[str] | None = None) -> Finding:
    """Memory that holds content or keys is not written to a disk."""
    plain = [
        name for name in (active_swaps() if devices is None else devices) if not _in_memory(name)
    ]
    if plain:
        return warning(
            "swap",
            f"memory may be written to {', '.join(plain)}",
            "turn swap off (swapoff -a) or use an encrypted or compressed-memory swap",
        )
    return ok("swap", "memory is not written to a disk")


def user(identifier: int | None = None) -> Finding:
    """Bailee has a user of its own, and is not root."""
    if (os.geteuid() if identifier is None else identifier) == 0:
        return warning(
            "user",
            "this is root, from whom nothing on this machine is kept",
            "run Bailee as a user of its own",
        )
    return ok("user", "not root")


def fine_tuning(*, installed: bool | None = None) -> Finding:
    """What training on this machine needs is installed."""
    if importlib.util.find_spec("torch") is not None if installed is None else installed:
        return ok("fine-tuning", "what training on this machine needs is installed")
    return warning(
        "fine-tuning",
        "it is not installed, so jobs on this machine fail",
        "run `make install-finetuning` and restart, if anybody is to fine-tune here",
    )


def _in_memory(device: str) -> bool:
    return "zram" in device


def separation(landlock: int | None = None, *, enforcement: str | None = None) -> Finding:
    """Whether other processes are kept from the keyring (guarantee G2).

    `enforcement` is what a running keeper says; without one, the kernel is asked what it could do.
    """
    if enforcement is not None and enforcement != "none":
        return ok("G2", f"other processes are kept from the keyring: {enforcement}")
    if enforcement == "none":
        return problem(
            "G2",
            "G2 is not enforced: nothing keeps other processes of this user from the keyring",
            "read the first lines of logs/keeper.log and logs/gateway-0.log; use Linux 5.13 or "
            "newer with Landlock enabled, or run the keeper as a user of its own",
        )
    version = _landlock_version() if landlock is None else landlock
    if version > 0:
        return ok(
            "G2",
            f"Landlock (version {version}) can take the keyring away from every process but the "
            "keeper; ask again when the installation runs",
        )
    return problem(
        "G2",
        "G2 is not enforced: this kernel has no Landlock, and one user runs every process",
        "use Linux 5.13 or newer with Landlock enabled, or run the keeper as a user of its own",
    )


def _landlock_version() -> int:
    return landlock_abi() if sys.platform.startswith("linux") else 0


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _marks(folder: Path) -> Iterator[Path]:
    for name in ("journals", "keyring", "logs"):
        if (folder / name).is_dir():
            yield from (Path(entry.path) for entry in os.scandir(folder / name) if entry.is_file())
