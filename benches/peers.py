#!/usr/bin/env python3
"""Whole-process cost of runs beside other runners on the same graph, in one go.

    benches/peers.py [--program target/release/phytotron] [--stages 1000 5000] [--runs 5]

The graph has ten layers; each stage needs two of the layer before and runs `true` (phytotron,
ninja) or touches a file (ninja needs an output). ninja takes part when it is installed
(`pip install ninja`). Times are CPU seconds, user and system, of the process and its children;
quoted are medians. Peak memory is of the largest single process, and never less than this script's
own (some 13 MiB), which a child inherits as its peak.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile

LAYERS = 10


def measure(argv, folder):
    """CPU seconds and peak KiB of one run."""
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(argv, cwd=folder, stdout=nothing, stderr=nothing)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{argv} failed with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def above(layer, place, width):
    if layer == 0:
        return []
    return [f"s{layer - 1}_{place}", f"s{layer - 1}_{(place + 1) % width}"]


def write_graphs(folder, stages):
    width = stages // LAYERS
    ours, ninja = ["name: peers", "stages:"], ["rule touch", "  command = true && touch $out"]
    for layer in range(LAYERS):
        for place in range(width):
            name, needs = f"s{layer}_{place}", above(layer, place, width)
            listed = f", needs: [{', '.join(needs)}]" if needs else ""
            with_ = f'{{ run: ["true"], env: {{ N: "{name}" }} }}'
            ours.append(f"  {name}: {{ use: command{listed}, with: {with_} }}")
            ninja.append(f"build {name}: touch {' '.join(needs)}")
    with open(os.path.join(folder, "pipeline.yaml"), "w") as out:
        out.write("\n".join(ours) + "\n")
    with open(os.path.join(folder, "build.ninja"), "w") as out:
        out.write("\n".join(ninja) + "\n")


def rows(name, first, again, stages, runs):
    first_secs, _ = measure(first, ".")
    repeats = [measure(again, ".") for _ in range(runs)]
    secs = statistics.median(cpu for cpu, _ in repeats)
    peak = max(peak for _, peak in repeats) / 1024
    per_stage = first_secs / stages * 1000
    print(f"{name:<24} {stages:>6} {per_stage:>12.2f} {secs * 1000:>12.1f} {peak:>10.1f}")
    return secs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="target/release/phytotron")
    parser.add_argument("--stages", type=int, nargs="+", default=[1000, 5000, 10000])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    print(f"{'':<24} {'stages':>6} {'first ms/st':>12} {'no-op ms':>12} {'peak MiB':>10}")
    for stages in arguments.stages:
        with tempfile.TemporaryDirectory() as folder:
            write_graphs(folder, stages)
            os.chdir(folder)
            run = [program, "run", "pipeline.yaml", "--progress", "none"]
            ours = rows("phytotron", run, run, stages, arguments.runs)
            rows("phytotron --no-snapshot", run, run + ["--no-snapshot"], stages, arguments.runs)
            if shutil.which("ninja"):
                theirs = rows("ninja", ["ninja"], ["ninja"], stages, arguments.runs)
                print(f"{'no-op, ninja = 1':<24} {'':>6} {'':>12} {ours / theirs:>11.2f}x")
            os.chdir("/")


if __name__ == "__main__":
    main()
