"""Weight files: what they are (`weights.yaml`), where they lie, and how they get there."""

from vl_backbone.weights.store import WeightState, WeightStatus, WeightStore, default_home
from vl_backbone.weights.table import WeightEntry, WeightTable, load_table

__all__ = [
    "WeightEntry",
    "WeightState",
    "WeightStatus",
    "WeightStore",
    "WeightTable",
    "default_home",
    "load_table",
]
