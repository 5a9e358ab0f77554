"""Settings: parsed once, from weak to strong: defaults, one TOML file, environment, flags.

`load` gives frozen typed values with the origin of each, or refuses with every problem at once.
The environment and the flags are passed in; the file is the only thing that is read here.
"""

from bailee.settings.fine_tuning import DeclaredTerms, FineTuningSettings, RaySettings
from bailee.settings.origins import Origin, Problem, WrongSettings
from bailee.settings.reading import Loaded, find_file, load
from bailee.settings.secret import SecretText
from bailee.settings.structure import (
    BackendSettings,
    BatchesSettings,
    DatabaseSettings,
    EmbeddingsSettings,
    JournalSettings,
    LimitsSettings,
    Link,
    LinksSettings,
    LoggingSettings,
    ModelRunnerSettings,
    ModelSettings,
    ModerationSettings,
    ObjectsSettings,
    RegionSettings,
    ServerSettings,
    Settings,
    SnapshotSettings,
    TransparencySettings,
)
from bailee.settings.words import EMBEDDED_BACKEND, EMBEDDED_TEXT_BACKEND

__all__ = [
    "EMBEDDED_BACKEND",
    "EMBEDDED_TEXT_BACKEND",
    "BackendSettings",
    "BatchesSettings",
    "DatabaseSettings",
    "DeclaredTerms",
    "EmbeddingsSettings",
    "FineTuningSettings",
    "JournalSettings",
    "LimitsSettings",
    "Link",
    "LinksSettings",
    "Loaded",
    "LoggingSettings",
    "ModelRunnerSettings",
    "ModelSettings",
    "ModerationSettings",
    "ObjectsSettings",
    "Origin",
    "Problem",
    "RaySettings",
    "RegionSettings",
    "SecretText",
    "ServerSettings",
    "Settings",
    "SnapshotSettings",
    "TransparencySettings",
    "WrongSettings",
    "find_file",
    "load",
]
