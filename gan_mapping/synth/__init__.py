"""FDVD-synth: captioned clips drawn by the generator itself."""

from gan_mapping.synth.build import SynthConfig, build
from gan_mapping.synth.probes import Probes, fit_fact_probes

__all__ = ["Probes", "SynthConfig", "build", "fit_fact_probes"]
