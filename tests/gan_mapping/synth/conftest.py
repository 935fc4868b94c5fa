from __future__ import annotations

import pytest

from gan_mapping.generators.protocol import Generator
from gan_mapping.synth.probes import Probes, fit_fact_probes


@pytest.fixture(scope="session")
def probes(generator: Generator) -> Probes:
    return fit_fact_probes(generator)
