"""The published-size HD-VILA with random weights: seconds and peak memory, next to the same model written plainly.

python benchmarks/hdvila.py [--rounds 2] [--threads 2] [--json FILE]

One clip of two segments (2x3x640x1024 and 2x6x3x160x256), its high-resolution frames alone, its low-resolution
frames alone, and a text of 50 tokens; float32, no gradients. "Plain" takes the same weights through the same
equations layer by layer: every convolution before its batch norm, channels first, attention through an explicit
softmax, all frames at once, every frame of the last hybrid block, all four stages of the LR trunk.
Seconds are taken in turns in one process; peak memory comes from one fresh process each, with a stage-1 checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone import build_hdvila, load_official_checkpoint, save_official_checkpoint
from vl_backbone.hdvila.bert import attention_bias
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.hdvila.resnet import RGB_MEAN, RGB_STD, Bottleneck, ResNet50
from vl_backbone.hdvila.timesformer import Attention, Block

SCENARIOS = ("clip", "hr", "lr", "text")
TOKENS = 50


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """hr, lr and token ids, always the same."""
    random = torch.Generator().manual_seed(0)
    hr = torch.rand(1, 2, 3, 640, 1024, generator=random) * 255
    lr = torch.rand(1, 2, 6, 3, 160, 256, generator=random) * 255
    return hr, lr, torch.randint(1000, 30000, (1, TOKENS), generator=random)


def ours(model: HDVILA, scenario: str) -> Tensor:
    hr, lr, ids = inputs()
    if scenario == "text":
        return model.encode_text(ids, torch.ones_like(ids)).embedding
    return model.encode_video(None if scenario == "lr" else hr, None if scenario == "hr" else lr).embedding


def plain_bottleneck(x: Tensor, block: Bottleneck) -> Tensor:
    y = F.relu(block.bn1(block.conv1(x)))
    y = F.relu(block.bn2(block.conv2(y)))
    return F.relu(block.bn3(block.conv3(y)) + (x if block.downsample is None else block.downsample(x)))


def plain_resnet(net: ResNet50, rgb: Tensor) -> list[Tensor]:
    mean, std = (torch.tensor(v)[:, None, None] for v in (RGB_MEAN, RGB_STD))
    x = net.maxpool(F.relu(net.bn1(net.conv1((rgb - mean) / std))))
    maps = []
    for number in range(1, 5):
        for block in net.get_submodule(f"layer{number}").children():
            assert isinstance(block, Bottleneck)
            x = plain_bottleneck(x, block)
        maps.append(x)
    return maps


def plain_softmax(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    return torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias, dim=-1) @ v


def plain_attention(x: Tensor, layer: Attention) -> Tensor:
    q, k, v = layer.qkv(x).unflatten(-1, (3, layer.heads, -1)).permute(2, 0, 3, 1, 4)
    return layer.proj(plain_softmax(q, k, v).transpose(1, 2).flatten(2))


def plain_block(x: Tensor, block: Block) -> Tensor:
    b, t, n, _ = x.shape
    over_time = plain_attention(block.temporal_norm1(x).transpose(1, 2).flatten(0, 1), block.temporal_attn)
    x = x + block.temporal_fc(over_time).unflatten(0, (b, n)).transpose(1, 2)
    x = x + plain_attention(block.norm1(x).flatten(0, 1), block.attn).unflatten(0, (b, t))
    return x + block.mlp(block.norm2(x))


def plain(model: HDVILA, scenario: str) -> Tensor:
    hr, lr, ids = inputs()
    if scenario == "text":
        return plain_text(model, ids)
    middle = frames = high = None
    if scenario != "lr":
        assert isinstance(model.cnn, ResNet50)
        maps = plain_resnet(model.cnn, hr[0])
        high = model.grid_encoder(maps[3])
        middle = model.grid_encoder_low(F.interpolate(maps[2], scale_factor=0.25))
    if scenario != "hr":
        assert isinstance(model.cnn_low, ResNet50)
        low = model.grid_encoder_low(plain_resnet(model.cnn_low, lr[0].flatten(0, 1))[2]).unflatten(0, (2, 6))
        frames = low if middle is None else torch.cat((low[:, :3], middle[:, None], low[:, 3:]), dim=1)
    grid = high
    if frames is not None:
        times = model.timesformer._times(frames.shape[1])[:, :, None]
        x = frames.flatten(3).transpose(2, 3) + model.timesformer.pos_embed[:, None] + times
        for block in model.timesformer.blocks:
            assert isinstance(block, Block)
            x = plain_block(x, block)
        temporal = x[:, 3].transpose(1, 2).unflatten(2, (10, 16))
        grid = temporal if high is None else model.grid_encoder_combine(torch.cat((high, temporal), dim=1))
    assert grid is not None
    return F.normalize(model.transformer.v_proj(grid.mean(dim=(0, 2, 3))), dim=-1)[None]


def plain_text(model: HDVILA, ids: Tensor) -> Tensor:
    bert = model.transformer.bert
    x = bert.embeddings(ids)
    bias = attention_bias(torch.ones_like(ids), x.dtype)
    for layer in bert.encoder.layer:
        attention = layer.get_submodule("attention.self")
        heads = model.config.num_attention_heads
        parts = [attention.get_submodule(name) for name in ("query", "key", "value")]
        q, k, v = (part(x).unflatten(-1, (heads, -1)).transpose(1, 2) for part in parts)
        x = layer.get_submodule("attention.output")(plain_softmax(q, k, v, bias).transpose(1, 2).flatten(2), x)
        x = layer.get_submodule("output")(F.gelu(layer.get_submodule("intermediate")(x)), x)
    return F.normalize(model.transformer.t_proj(bert.pooler1(x.mean(1))), dim=-1)


def make_checkpoint(path: Path) -> None:
    """Random weights in the official layout; the hybrid Transformer attends over time, unlike a fresh one's."""
    torch.manual_seed(0)
    model = build_hdvila({}, 1)
    for block in model.timesformer.blocks:
        nn.init.normal_(block.get_submodule("temporal_fc").get_parameter("weight"), std=0.02)
    save_official_checkpoint(model, path)


def measure_time(path: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Per scenario: fastest wall and CPU seconds of both, and how far their outputs differ."""
    model = load_official_checkpoint(path, {})
    ways: dict[str, Callable[[HDVILA, str], Tensor]] = {"plain": plain, "ours": ours}
    figures = {}
    for scenario in SCENARIOS:
        taken: dict[str, list[float]] = {f"{way}_{kind}": [] for way in ways for kind in ("s", "cpu_s")}
        results = {}
        for turn in range(rounds + 1):
            for name, way in ways.items():
                wall, cpu = time.perf_counter(), time.process_time()
                with torch.inference_mode():
                    results[name] = way(model, scenario)
                if turn:
                    taken[f"{name}_s"].append(time.perf_counter() - wall)
                    taken[f"{name}_cpu_s"].append(time.process_time() - cpu)
        figures[scenario] = {name: statistics.median(times) for name, times in taken.items()}
        difference = (results["ours"] - results["plain"]).abs().max() / results["plain"].abs().max()
        figures[scenario]["difference"] = difference.item()
    return figures


def measure_memory(path: Path, way: str, scenario: str) -> float:
    """Peak resident MB of this process after one run."""
    if way == "ours":
        model = load_official_checkpoint(path, {})
        run = ours
    else:
        model = build_hdvila({}, 1)
        model.load_state_dict(torch.load(path, weights_only=True, mmap=True))
        run = plain
    with torch.inference_mode():
        run(model, scenario)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(*arguments: str) -> object:
    """Runs one of the jobs below in a fresh process and returns what it printed."""
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    torch.set_num_threads(options.threads)
    if options.job:
        name, path, *rest = options.job
        if name == "make":
            make_checkpoint(Path(path))
        result = {
            "make": lambda: None,
            "time": lambda: measure_time(Path(path), options.rounds),
            "memory": lambda: measure_memory(Path(path), *rest),
        }[name]()
        print(json.dumps(result))
        return
    common = ("--rounds", str(options.rounds), "--threads", str(options.threads), "--job")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "stage1.pt")
        child(*common, "make", path)
        figures = child(*common, "time", path)
        assert isinstance(figures, dict)
        for scenario in SCENARIOS:
            for way in ("ours", "plain"):
                figures[scenario][f"{way}_peak_mb"] = child(*common, "memory", path, way, scenario)
    print(f"{options.threads} threads, load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| input | plain s | ours s | ratio | plain CPU s | ours CPU s | ratio | plain MB | ours MB | difference |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for scenario, row in figures.items():
        print(
            f"| {scenario} | {row['plain_s']:.2f} | {row['ours_s']:.2f} | {row['plain_s'] / row['ours_s']:.2f} "
            f"| {row['plain_cpu_s']:.2f} | {row['ours_cpu_s']:.2f} | {row['plain_cpu_s'] / row['ours_cpu_s']:.2f} "
            f"| {row['plain_peak_mb']:.0f} | {row['ours_peak_mb']:.0f} | {row['difference']:.1e} |"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
