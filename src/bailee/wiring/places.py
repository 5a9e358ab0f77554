"""Where things lie in a data folder."""

from pathlib import Path
from typing import NamedTuple


class Places(NamedTuple):
    """The parts of one installation's data folder."""

    data: Path

    @property
    def keeper_socket(self) -> Path:
        """Where the keeper answers."""
        return self.data / "run" / "keeper.sock"

    @property
    def secrets(self) -> Path:
        """Small secrets, each in a file of its own."""
        return self.data / "secrets"

    @property
    def objects(self) -> Path:
        """The object folder of an installation without an object store."""
        return self.data / "objects"

    @property
    def rate_limits(self) -> Path:
        """Counts that all gateway workers share."""
        return self.data / "run" / "rate-limits"

    @property
    def model_runner(self) -> Path:
        """Where the local model listens, and with which key."""
        return self.data / "run" / "model-runner.json"

    @property
    def adapters(self) -> Path:
        """Where the model runner is asked for fine-tuned models."""
        return self.data / "run" / "adapters.sock"

    @property
    def text_runner(self) -> Path:
        """Where the local embedding model and classifier listen, and with which key."""
        return self.data / "run" / "text-runner.json"

    @property
    def address(self) -> Path:
        """Where the installation that runs, or ran last, serves."""
        return self.data / "run" / "address"

    @property
    def worker_sign(self) -> Path:
        """The worker's sign of life."""
        return self.data / "run" / "worker.sign"

    def lock_of(self, part: str, place: int) -> Path:
        """Held by the process that has a place among those of its part, as in `clerk`."""
        return self.data / "run" / f"{part}-{place}.lock"

    @property
    def demo_key(self) -> Path:
        """The demo project's API key, for `bailee env` on this machine."""
        return self.secrets / "demo-api-key"

    @property
    def trust(self) -> Path:
        """What must be believed to check this installation."""
        return self.data / "trust" / "trust.json"

    @property
    def simulated_clock(self) -> Path:
        """The clock of a simulated installation; absent in every other."""
        return self.data / "simulated-clock"
