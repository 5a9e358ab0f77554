"""The trainer driver for a Ray cluster, over its Jobs REST API."""

from bailee.drivers.trainer_ray.entry import run_entry
from bailee.drivers.trainer_ray.sealing import (
    TASK_FILE,
    Handover,
    make_cluster_key,
    public_part,
)
from bailee.drivers.trainer_ray.trainer import RayRun, RaySpecification, RayTrainer, RayWeights

__all__ = [
    "TASK_FILE",
    "Handover",
    "RayRun",
    "RaySpecification",
    "RayTrainer",
    "RayWeights",
    "make_cluster_key",
    "public_part",
    "run_entry",
]
