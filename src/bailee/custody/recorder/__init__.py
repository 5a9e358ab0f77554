"""Recording: what a process that answers does with everything that it is sent and answers."""

from bailee.custody.recorder.recorder import Recorder
from bailee.custody.recorder.recording import Recording

__all__ = ["Recorder", "Recording"]
