"""The training process: `python -m bailee.drivers.trainer_local.worker`.

Reads frames on standard input (`Order`, later perhaps `Pause`), writes frames on standard output
(the port's events, or `Failed`). It ends when standard input ends, so that it never outlives its
parent. It promises that what it is given reaches no disk: before the first byte is read the
kernel is told that this process may write no file and leave no core, and standard error leads
nowhere. It downloads nothing.
"""

import os
import resource
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from bailee.drivers.trainer_local.messages import (
    BYTE_ORDER,
    LENGTH_BYTES,
    Failed,
    FromChild,
    FromParent,
    Order,
    Pause,
    framed,
    from_parent,
)
from bailee.ports.trainer import TrainingFailure


def main() -> int:
    """Train as asked; the process's exit status."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def emit(message: FromChild) -> None:
        answers.write(framed(message))
        answers.flush()

    order = _read()
    if not isinstance(order, Order):
        return 1
    os.nice(order.niceness)
    pause = threading.Event()
    threading.Thread(target=_obey, args=(pause,), daemon=True).start()
    try:
        _train(order, emit, pause)
    except TrainingFailure as failure:
        emit(Failed(str(failure), failure.retry_safe))
    except MemoryError:
        emit(Failed("training needs more memory than there is; use a smaller batch", True))
    except Exception as error:  # noqa: BLE001 - its message may quote the examples
        kind = type(error).__name__
        emit(Failed(f"training failed with {kind}; see that the extra is installed anew", False))
    # At once: the thread that reads does not end by itself.
    os._exit(0)


def _train(order: Order, emit: Callable[[FromChild], None], pause: threading.Event) -> None:
    # Libraries ask for the temporary folder when imported; Python looks for it by writing a file.
    tempfile.tempdir = "/nonexistent"
    import torch
    import transformers

    from bailee.drivers.trainer_local import model, state
    from bailee.drivers.trainer_local.loop import Loop

    digest = state.task_digest(order.task, order.sha256)
    resumed = None if order.state is None else state.read(order.state, digest)

    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(order.threads or os.cpu_count() or 1)
    torch.use_deterministic_algorithms(True)
    adapted = model.load(Path(order.file), order.sha256, order.task.seed)
    loop = Loop(adapted, order.task, order.context_tokens)
    loop.run(emit, pause.is_set, resumed, digest)


def _obey(pause: threading.Event) -> None:
    while (message := _read()) is not None:
        if isinstance(message, Pause):
            pause.set()
    os._exit(0)


def _read() -> FromParent | None:
    head = sys.stdin.buffer.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    size = int.from_bytes(head, BYTE_ORDER)
    body = sys.stdin.buffer.read(size)
    return from_parent.decode(body) if len(body) == size else None


if __name__ == "__main__":
    sys.exit(main())
