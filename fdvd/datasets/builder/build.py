"""The build as a whole: which clips, in parallel, resumable, and the files that describe the result.

Every clip is finished on its own (clip, track, record); the manifest is written last from the records. So a build
that was killed goes on where it stopped, and its manifest is the one an uninterrupted build would have written.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fdvd.datasets.builder.clip import CLIPS, TRACKS, Record, Tools, build_clip, file_hash, finished_record
from fdvd.datasets.builder.labels import clip_captions, clip_facts, clip_probabilities, pooled
from fdvd.datasets.builder.settings import BuildSettings
from fdvd.datasets.builder.statistics import Row, statistics, statistics_table
from fdvd.datasets.problems import Problem
from fdvd.datasets.ravdess import Source, find_recordings
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.reason import reason_of
from vl_backbone.weights.files import exclusive_lock, remove_partial_files, write_atomically

MANIFEST, PROBLEMS, STATISTICS, TABLE = "manifest.jsonl", "problems.jsonl", "statistics.json", "statistics.md"
Progress = Callable[[str, str], object]


@dataclass(frozen=True)
class BuildResult:
    """rows: of the manifest. problems: by name, in order. built, kept: clips made now, and before."""

    out: Path
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    statistics: Row
    built: int
    kept: int


@dataclass(frozen=True)
class _Job:
    source: Source
    key: str


def build_fdvd(
    root: Path,
    out: Path,
    make_tools: Callable[[], Tools],
    settings: BuildSettings | None = None,
    workers: int = 1,
    on_clip: Progress | None = None,
    on_start: Callable[[int], object] | None = None,
) -> BuildResult:
    """Builds FDVD from the RAVDESS folder `root` into `out`.

    make_tools: loads the networks; called once in every worker, so it must be picklable for workers > 1.
    on_start(number of clips); on_clip(name, "kept" | "built" | the sentence of what is wrong with it).
    A clip that cannot be built is reported in the result and in problems.jsonl, and the others are done.
    """
    settings = settings or BuildSettings()
    if out.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{out}: lies in the RAVDESS folder, whose clips have the same names; name another folder.")
    sources, problems = find_recordings(root)
    sources = spread_over_actors(sources, settings.clips)
    tell = on_clip or (lambda name, state: None)
    if on_start:
        on_start(len(sources))
    with exclusive_lock(out / ".lock"):
        _remove_leftovers(out)
        tools = make_tools()
        records: dict[str, Record] = {}
        jobs = []
        for source in sources:
            name = source.recording.name
            try:
                key = settings.clip_key(file_hash(source.path) + tools.name)
            except OSError as error:
                reason = reason_of(error)
                problems.append(_problem(source, root, f"cannot be read ({reason})"))
                tell(name, problems[-1].message)
                continue
            done = finished_record(out, name, key)
            if done is None:
                jobs.append(_Job(source, key))
            else:
                records[name] = done
                tell(name, "kept")
        kept = len(records)
        for job, answer in _run(jobs, out, tools, make_tools, settings, workers):
            if isinstance(answer, InputError):
                problems.append(_problem(job.source, root, str(answer).removeprefix(f"{job.source.path}: ")))
                tell(job.source.recording.name, problems[-1].message)
            else:
                records[job.source.recording.name] = answer
                tell(job.source.recording.name, "built")
        built = len(records) - kept
        rows = _rows(sources, root, records, settings, problems)
        numbers = _write_results(out, rows, problems)
    return BuildResult(out, tuple(rows), tuple(sorted(problems)), numbers, built, kept)


def spread_over_actors(sources: list[Source], count: int) -> list[Source]:
    """`count` of the clips (0: all), taken in turns from every actor, evenly through what the actor plays."""
    if count == 0 or count >= len(sources):
        return sources
    by_actor: dict[int, list[Source]] = {}
    for source in sources:
        by_actor.setdefault(source.recording.actor, []).append(source)
    chosen: list[Source] = []
    left, actors = count, sorted(by_actor, key=lambda actor: (len(by_actor[actor]), actor))
    for number, actor in enumerate(actors):
        clips = by_actor[actor]
        share = min(len(clips), left // (len(actors) - number))
        chosen += [clips[(2 * i + 1) * len(clips) // (2 * share)] for i in range(share)]
        left -= share
    return sorted(chosen)


def _problem(source: Source, root: Path, message: str) -> Problem:
    return Problem("clip", source.path.relative_to(root).as_posix(), message)


def _remove_leftovers(out: Path) -> None:
    """What a killed build left half-written; only while the folder's lock is held."""
    remove_partial_files(out)
    for leftover in (out / CLIPS).glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def _run(
    jobs: list[_Job], out: Path, tools: Tools, make_tools: Callable[[], Tools], settings: BuildSettings, workers: int
) -> Iterator[tuple[_Job, Record | InputError]]:
    """Answers as they come."""
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, _attempt(job, out, tools, settings)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(make_tools,))
    try:
        work = partial(_in_worker, out=out, settings=settings)
        futures: dict[Future[Any], _Job] = {pool.submit(work, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise InputError(
            "A worker process ended, most likely for lack of memory; run again with fewer workers."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(job: _Job, out: Path, tools: Tools, settings: BuildSettings) -> Record | InputError:
    try:
        return build_clip(job.source.path, job.source.recording.name, out, tools, settings, job.key)
    except InputError as error:
        return error


# Filled once in every worker process: networks cannot travel with each job.
_worker_tools: list[Tools] = []


def _start_worker(make_tools: Callable[[], Tools]) -> None:
    """One thread per worker; Ctrl-C is left to the parent, and a worker whose parent was killed ends."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _worker_tools[:] = [make_tools()]


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _in_worker(job: _Job, out: Path, settings: BuildSettings) -> Record | InputError:
    return _attempt(job, out, _worker_tools[0], settings)


def _rows(
    sources: list[Source], root: Path, records: dict[str, Record], settings: BuildSettings, problems: list[Problem]
) -> list[Row]:
    """The manifest; a clip about which too little is known for the descriptions is reported."""
    known = [(source, records[source.recording.name]) for source in sources if source.recording.name in records]
    lasting = pooled((source.recording.actor, record["readings"]) for source, record in known)
    rows = []
    for source, record in known:
        recording, readings = source.recording, record["readings"]
        probabilities = clip_probabilities(readings, lasting[recording.actor])
        facts = clip_facts(recording, probabilities, readings, settings)
        try:
            captions = clip_captions(recording.name, facts, settings)
        except InputError as error:
            problems.append(_problem(source, root, str(error)))
            continue
        rows.append(
            {
                **{name: value for name, value in record.items() if name not in ("key", "readings")},
                **recording.as_row(),
                "split": settings.split_of(recording.actor),
                "clip": f"{CLIPS}/{recording.name}.mp4",
                "track": f"{TRACKS}/{recording.name}.npy",
                "source": source.path.relative_to(root).as_posix(),
                "attributes": probabilities,
                "facts": sorted(facts),
                "captions": captions,
            }
        )
    return rows


def _write_results(out: Path, rows: list[Row], problems: list[Problem]) -> Row:
    """Manifest, problems and statistics, byte for byte the same for the same rows."""
    numbers = statistics(rows)
    broken = [{"kind": p.kind, "item": p.item, "message": p.message} for p in sorted(problems)]
    write_atomically(out / MANIFEST, [_line(row) for row in rows])
    write_atomically(out / PROBLEMS, [_line(row) for row in broken])
    write_atomically(out / STATISTICS, [(json.dumps(numbers, indent=2) + "\n").encode()])
    write_atomically(out / TABLE, [statistics_table(numbers).encode()])
    return numbers


def _line(row: Row) -> bytes:
    return (json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n").encode()
