"""The policy that ships with Bailee. Reads packaged files and nothing else."""

from functools import cache
from importlib import resources

from bailee.policy.history import PolicyHistory
from bailee.policy.parse import parse


@cache
def packaged_policy() -> PolicyHistory:
    """The packaged policy history, parsed once.

    Raises:
        PolicyProblems: if the installation's files were altered.
    """
    return parse(packaged_files())


def packaged_files() -> dict[str, str]:
    """The packaged policy folder: texts by path, as `parse` and `lint` take them."""
    folder = resources.files("bailee.policy") / "data"
    return {
        f"{part.name}/{file.name}": file.read_text("utf-8")
        for part in folder.iterdir()
        if part.is_dir()
        for file in part.iterdir()
        if file.name.endswith(".toml")
    }
