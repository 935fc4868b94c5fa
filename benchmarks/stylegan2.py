"""StyleGAN2 config f at 1024x1024, random weights: seconds and peak memory against the plain PyTorch path.

python benchmarks/stylegan2.py [--rounds 3] [--threads 2] [--json FILE]

"plain" is the arithmetic of the official generator as it runs without compiled extensions, written out here as
its order of operations: modulated weights as a grouped convolution, blur, noise, bias, activation, gain and clamp
each an operation of its own, gradients by autograd. Both use the same weights and must draw the same picture.
Every cell is a process of its own, so that its peak memory is its own.

Where there is a CUDA device, pictures per second at batch 1 and 16 follow, the last four blocks in half precision as
in the official files: plain, ours, and ours through torch.compile.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.generators.stylegan2.config import StyleGAN2Config
from gan_mapping.generators.stylegan2.network import StyleGAN2, Synthesis, SynthesisLayer, ToRGB

PATHS, PASSES = ("plain", "ours"), ("forward", "backward")
GPU_PATHS, GPU_BATCHES, HALF_BLOCKS = ("plain", "ours", "compiled"), (1, 16), 4


def random_network(resolution: int = 1024) -> StyleGAN2:
    """Config f with weights of the scale that training starts from."""
    channels = tuple(min(32768 // r, 512) for r in (4 << i for i in range(11)) if r <= resolution)
    config = StyleGAN2Config(512, 0, 512, resolution, channels, layer_features=512, conv_clamp=256.0)
    torch.manual_seed(0)
    network = StyleGAN2(config)
    blur = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for name, tensor in network.named_buffers():
        if name.endswith("resample_filter"):
            tensor.copy_(torch.outer(blur, blur))
        elif name.endswith("noise_strength"):
            tensor.fill_(0.05)
        elif name.endswith("affine.bias"):
            tensor.fill_(1.0)
        elif name.endswith("bias") or name.endswith("w_avg"):
            tensor.zero_()
        else:
            tensor.normal_()
    return network


def plain_blur(x: Tensor, kernel: Tensor, padding: tuple[int, int, int, int], gain: float) -> Tensor:
    channels = x.shape[1]
    taps = (kernel * gain).to(x.dtype).flip(0, 1)[None, None].repeat(channels, 1, 1, 1)
    return F.conv2d(F.pad(x, padding), taps, groups=channels)


def plain_convolution(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool, up: Tensor | None) -> Tensor:
    batch, inputs, height, width = x.shape
    modulated = weight[None] * style[:, None, :, None, None]
    if demodulate:
        modulated = modulated * (modulated.square().sum((2, 3, 4)) + 1e-8).rsqrt()[:, :, None, None, None]
    modulated = modulated.to(x.dtype)
    x = x.reshape(1, batch * inputs, height, width)
    outputs = len(weight)
    if up is None:
        kernel = modulated.reshape(batch * outputs, inputs, *weight.shape[2:])
        y = F.conv2d(x, kernel, padding=weight.shape[2] // 2, groups=batch)
    else:
        kernel = modulated.transpose(1, 2).reshape(batch * inputs, outputs, *weight.shape[2:])
        y = plain_blur(F.conv_transpose2d(x, kernel, stride=2, groups=batch), up, (1, 1, 1, 1), 4)
    return y.reshape(batch, outputs, *y.shape[2:])


def plain_layer(layer: SynthesisLayer, x: Tensor, w: Tensor) -> Tensor:
    y = plain_convolution(x, layer.weight, layer.affine(w), True, layer.resample_filter if layer.up else None)
    y = y + (layer.noise_const * layer.noise_strength).to(y.dtype)
    y = F.leaky_relu(y + layer.bias.to(y.dtype)[:, None, None], 0.2) * 2**0.5
    return y if layer.clamp is None else y.clamp(-layer.clamp, layer.clamp)


def plain_rgb(layer: ToRGB, x: Tensor, w: Tensor) -> Tensor:
    style = layer.affine(w) / layer.weight.shape[1] ** 0.5
    y = plain_convolution(x, layer.weight, style, False, None).float() + layer.bias[:, None, None]
    return y if layer.clamp is None else y.clamp(-layer.clamp, layer.clamp)


def plain_synthesis(synthesis: Synthesis, ws: Tensor, half_blocks: int = 0) -> Tensor:
    x, image, row = torch.empty(0), torch.empty(0), 0
    for i, resolution in enumerate(synthesis.resolutions):
        x = x.to(torch.float16 if len(synthesis.resolutions) - i <= half_blocks else torch.float32)
        block = synthesis.get_submodule(f"b{resolution}")
        if resolution == 4:
            x = block.const.repeat(ws.shape[0], 1, 1, 1)
        else:
            x = plain_layer(block.conv0, x, ws[:, row])
            row += 1
        x = plain_layer(block.conv1, x, ws[:, row])
        row += 1
        drawn = plain_rgb(block.torgb, x, ws[:, row])
        if resolution == 4:
            image = drawn
            continue
        batch, colours, height, width = image.shape
        spread = F.pad(image.reshape(batch, colours, height, 1, width, 1), (0, 1, 0, 0, 0, 1))
        spread = spread.reshape(batch, colours, height * 2, width * 2)
        image = plain_blur(spread, block.resample_filter, (2, 1, 2, 1), 4) + drawn
    return image


def measure(path: str, direction: str, options: argparse.Namespace) -> dict[str, float]:
    """Median seconds of one pass on the CPU, and this process's peak memory in MB."""
    torch.set_num_threads(options.threads)
    synthesis = random_network().synthesis
    ws = torch.randn(1, 18, 512, generator=torch.Generator().manual_seed(1))
    draw: Callable[[Tensor], Tensor] = synthesis if path == "ours" else lambda rows: plain_synthesis(synthesis, rows)

    def once() -> None:
        if direction == "forward":
            with torch.inference_mode():
                draw(ws)
        else:
            rows = ws.clone().requires_grad_()
            draw(rows).square().mean().backward()

    once()
    wall, cpu = [], []
    for _ in range(options.rounds):
        start, busy = time.perf_counter(), time.process_time()
        once()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - busy)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall_s": statistics.median(wall), "cpu_s": statistics.median(cpu), "peak_mb": peak}


def measure_gpu(path: str, batch: int, options: argparse.Namespace) -> dict[str, float]:
    """Pictures per second of the forward pass, the GPU's peak memory in MB, and how far off float32 it is."""
    synthesis = random_network().synthesis.cuda()
    ws = torch.randn(batch, 18, 512, generator=torch.Generator().manual_seed(1)).cuda()
    with torch.inference_mode():
        exact = synthesis(ws[:1])
        synthesis.fp16_resolutions = HALF_BLOCKS
        draw: Callable[[Tensor], Tensor] = torch.compile(synthesis) if path == "compiled" else synthesis
        if path == "plain":
            draw = lambda rows: plain_synthesis(synthesis, rows, HALF_BLOCKS)  # noqa: E731
        off = float((draw(ws)[:1] - exact).abs().max())
        torch.cuda.reset_peak_memory_stats()
        passes = max(10 * options.rounds, 1)
        for _ in range(3):
            draw(ws)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(passes):
            draw(ws)
        torch.cuda.synchronize()
    rate = passes * batch / (time.perf_counter() - start)
    return {"images_per_s": rate, "peak_mb": torch.cuda.max_memory_allocated() / 2**20, "off_float32": off}


def difference() -> dict[str, float]:
    """Largest difference of the two pictures, and how far the pictures reach."""
    synthesis = random_network().synthesis
    ws = torch.randn(1, 18, 512, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, plain = synthesis(ws), plain_synthesis(synthesis, ws)
    return {"largest_difference": float((ours - plain).abs().max()), "largest_value": float(plain.abs().max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cell", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        path, direction = options.cell
        if direction.isdecimal():
            print(json.dumps(measure_gpu(path, int(direction), options)))
        else:
            print(json.dumps(measure(path, direction, options) if path in PATHS else difference()))
        return
    shared = [f"--{name}={getattr(options, name)}" for name in ("rounds", "threads")]

    def cell(path: str, direction: str) -> dict[str, float]:
        command = [sys.executable, __file__, *shared, "--cell", path, direction]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        values: dict[str, float] = json.loads(done.stdout)
        return values

    rows = {f"{direction}, {path}": cell(path, direction) for direction in PASSES for path in PATHS}
    rows["difference"] = cell("difference", "forward")
    print("| pass | wall s | CPU s | peak MB | wall ratio | memory ratio |\n|---|---|---|---|---|---|")
    for direction in PASSES:
        plain = rows[f"{direction}, plain"]
        for path in PATHS:
            row = rows[f"{direction}, {path}"]
            ratios = row["wall_s"] / plain["wall_s"], row["peak_mb"] / plain["peak_mb"]
            figures = f"{row['wall_s']:.2f} | {row['cpu_s']:.2f} | {row['peak_mb']:.0f}"
            print(f"| {direction}, {path} | {figures} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    values = rows["difference"]
    print(f"\nlargest difference {values['largest_difference']:.1e} of values up to {values['largest_value']:.2f}")
    if torch.cuda.is_available():
        print(f"\n{torch.cuda.get_device_name()}\n\n| pass | images/s | peak MB | off float32 |\n|---|---|---|---|")
        for batch in GPU_BATCHES:
            for path in GPU_PATHS:
                rows[f"batch {batch}, {path}"] = row = cell(path, str(batch))
                figures = f"{row['images_per_s']:.1f} | {row['peak_mb']:.0f} | {row['off_float32']:.2g}"
                print(f"| batch {batch}, {path} | {figures} |")
    else:
        print("\nNo CUDA device: its part is left out.")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
