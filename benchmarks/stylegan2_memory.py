"""StyleGAN2 config f at 1024x1024, random weights: the whole chain of use, and the peak memory of each part.

python benchmarks/stylegan2_memory.py [--refine 2] [--fit 2] [--threads 2] [--json FILE]

A network pickle in the official format is written to a temporary folder, its mapping network that of the mini
preset's generator, so that the shipped mappers can drive it. It is imported as a user would; then one process loads
the mini preset with it and generates a face, inverts that picture, edits it and enlarges a 16x16 copy of it. The peak
is reset between the parts (Linux), so each line is what the process held at most while that part ran.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NAME = "stylegan2-ffhq"


def write_pickle(path: Path) -> None:
    """A config f network in the official format, of the mini generator's W; G and D as large as in a real file."""
    sys.path[:0] = [str(ROOT / "tests" / "gan_mapping" / "readers"), str(ROOT / "benchmarks")]
    from official_writers import config_f_arguments, network_pickle
    from stylegan2 import random_network

    from gan_mapping.generators.readers import GeneratorFile
    from gan_mapping.generators.registry import W_MEAN_FILE
    from gan_mapping.mappers.transfer import load_mobile_mapping

    network = random_network()
    tensors = dict(network.state_dict())
    for i, layer in enumerate(load_mobile_mapping().layers):
        tensors[f"mapping.fc{i}.weight"] = layer.weight.detach() * (math.sqrt(512) / 0.01)
        tensors[f"mapping.fc{i}.bias"] = layer.bias.detach() / 0.01
    tensors["mapping.w_avg"] = torch.from_numpy(np.load(W_MEAN_FILE).reshape(512).astype(np.float32))
    path.write_bytes(network_pickle(GeneratorFile(network.config, tensors, "benchmark"), config_f_arguments()))


def peak_mb() -> float:
    """The most this process has held since the last reset."""
    rows = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith("VmHWM"))


def use(options: argparse.Namespace) -> None:
    """The parts after the import; prints one JSON object."""
    from gan_mapping import FaceEditor
    from gan_mapping.editing.session import EditSession
    from gan_mapping.superres.resolver import ResolverConfig

    torch.set_num_threads(options.threads)
    rows: dict[str, dict[str, float]] = {}

    def measured(name: str, work: Callable[[], Any]) -> Any:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        spent = time.perf_counter() - wall, time.process_time() - cpu
        rows[name] = {"wall_s": spent[0], "cpu_s": spent[1], "peak_mb": peak_mb()}
        print(f"{name}: {spent[1]:.1f} CPU s, {rows[name]['peak_mb']:.0f} MB", file=sys.stderr, flush=True)
        return result

    editor = measured("load the mini preset with it", lambda: FaceEditor.from_preset("mini", "cpu", NAME))
    face = measured("generate", lambda: editor.generate("an old man", 1, 1))[0].image
    steps = options.refine
    session = measured(f"invert, {steps} steps", lambda: EditSession(editor.model, face, refine=steps, aligned=True))
    edited = measured("edit", lambda: session.apply("blond hair"))
    small = np.asarray(Image.fromarray(face).resize((16, 16), Image.Resampling.BOX))
    config = ResolverConfig(rounds=1, steps=options.fit)
    enlarged = measured(f"superres, {options.fit} steps", lambda: editor.super_resolve(small, "smiling", config=config))
    assert edited.rgb.shape == enlarged.samples[0].image.shape == (1024, 1024, 3)
    print(json.dumps(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refine", type=int, default=2)
    parser.add_argument("--fit", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--use", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.use:
        use(options)
        return
    from vl_backbone.weights import default_home

    with tempfile.TemporaryDirectory() as folder:
        home, pickled = Path(folder) / "home", Path(folder) / "ffhq.pkl"
        (home / "weights").mkdir(parents=True)
        for part in (default_home() / "weights").iterdir():
            if part.name != "user":
                (home / "weights" / part.name).symlink_to(part)
        write_pickle(pickled)
        environment = {**os.environ, "VILAFACE_HOME": str(home)}
        command = [sys.executable, "-c", "from apps.cli.main import run; run()", "weights", "import", str(pickled)]
        start = time.perf_counter()
        process = subprocess.Popen([*command, "--as", NAME], env=environment)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit("The import failed.")
        cpu = used.ru_utime + used.ru_stime
        size = pickled.stat().st_size / 1e6
        row = {"wall_s": time.perf_counter() - start, "cpu_s": cpu, "peak_mb": used.ru_maxrss / 1024}
        shared = [f"--{name}={getattr(options, name)}" for name in ("refine", "fit", "threads")]
        done = subprocess.run(
            [sys.executable, __file__, "--use", *shared], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    rows = {f"import ({size:.0f} MB)": row, **json.loads(done.stdout)}
    print("| part | wall s | CPU s | peak MB |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['wall_s']:.1f} | {row['cpu_s']:.1f} | {row['peak_mb']:.0f} |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
