"""How a process gives up the parts of the data folder that are not its business."""

from collections.abc import Iterable

import structlog

from bailee.drivers.confinement import all_but, confine
from bailee.wiring.places import Places

log = structlog.get_logger()


def give_up(places: Places, parts: Iterable[str]) -> None:
    """Confine this process to everything but `parts` of the data folder, where the kernel can.

    Must come before the first thread. Where it cannot be done, the log says that guarantee G2 is
    not enforced, and why.
    """
    # Listed beforehand: the first confinement takes away the right to list the folders above.
    rests = [all_but(places.data / part) for part in parts]
    for rest in rests:
        report = confine((), rest)
        if report.enforcement == "none":
            log.warning("g2_not_enforced", reason=report.reason)
            return
    log.info("confined", enforcement="landlock")
