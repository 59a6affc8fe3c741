#!/usr/bin/env python3
"""Push and pull beside `aws s3 cp --recursive`, on one server on this machine, in one go.

    benches/remote_peers.py [--program target/release/phytotron] [--files 4000] [--large 1024] [--runs 3]

Two results are moved: 4,000 files of 8 KB, and one file of 1 GB. The server is moto, which
`scripts/test` installs in target/moto; awscli is installed there when it is missing. Both sides move
the same files, take turns, and have the same server; quoted are medians of wall seconds, CPU seconds of
the client (user and system) and its peak memory, which is never less than this script's own.
phytotron also hashes all content, on the way out and on the way in.
"""

import argparse
import http.client
import os
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

VENV = os.path.abspath("target/moto")
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
QUIET = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"}
STUDY = """
name: bench
stages:
  files: {{ use: command, with: {{ run: "cp -r {source} out", outputs: [out] }} }}
"""
SETTINGS = "remote: {{ lab: {{ kind: s3, bucket: {bucket}, region: us-east-1, endpoint: '{url}' }} }}\n"


def measure(argv, folder, env):
    """Wall seconds, CPU seconds and peak MiB of one process."""
    # What was written for the measurement must not be on its way to the disk during it.
    os.sync()
    started = time.monotonic()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(argv, cwd=folder, env=env, stdout=nothing, stderr=nothing)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{argv} failed with status {status}")
    wall = time.monotonic() - started
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def start_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [f"{VENV}/bin/moto_server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        try:
            ask(port, "GET", "/")
            return server, port
        except OSError:
            time.sleep(0.1)
    raise SystemExit("moto_server does not answer")


def ask(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    scope = "Credential=bench/20260101/us-east-1/s3/aws4_request"
    sign = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"
    connection.request(method, path, headers={"Authorization": sign})
    return connection.getresponse().read()


def fill(folder, files, size):
    os.makedirs(folder)
    noise = random.Random(7)
    for number in range(files):
        with open(os.path.join(folder, f"{number}.bin"), "wb") as out:
            rest = size
            while rest > 0:
                piece = min(rest, 1 << 20)
                out.write(noise.randbytes(piece))
                rest -= piece


class Bench:
    def __init__(self, program, root, port):
        self.program, self.root, self.port = program, root, port
        self.url = f"http://127.0.0.1:{port}"
        self.env = {**os.environ, **KEYS, **QUIET}
        self.number = 0

    def bucket(self):
        self.number += 1
        ask(self.port, "PUT", f"/bench-{self.number}")
        return f"bench-{self.number}"

    def project(self, source, bucket):
        folder = tempfile.mkdtemp(dir=self.root)
        os.makedirs(os.path.join(folder, ".phytotron"))
        with open(os.path.join(folder, "study.yaml"), "w") as out:
            out.write(STUDY.format(source=source))
        with open(os.path.join(folder, "phytotron.yaml"), "w") as out:
            out.write(SETTINGS.format(bucket=bucket, url=self.url))
        return folder

    def ours(self, project, *arguments):
        return measure([self.program, *arguments], project, self.env)

    def aws(self, source, target):
        aws = [f"{VENV}/bin/aws", "--endpoint-url", self.url, "s3", "cp", "--recursive"]
        return measure([*aws, "--only-show-errors", source, target], self.root, self.env)

    def compare(self, name, source, runs):
        rows = {"push": [], "aws up": [], "push again": [], "pull": [], "aws down": []}
        for _ in range(runs):
            ask(self.port, "POST", "/moto-api/reset")
            bucket, other = self.bucket(), self.bucket()
            first, second = self.project(source, bucket), self.project(source, bucket)
            self.ours(first, "run", "study.yaml", "--progress", "none")
            rows["push"].append(self.ours(first, "push", "--all"))
            rows["aws up"].append(self.aws(source, f"s3://{other}/x"))
            rows["push again"].append(self.ours(first, "push", "--all"))
            rows["pull"].append(self.ours(second, "pull", "--all"))
            down = tempfile.mkdtemp(dir=self.root)
            rows["aws down"].append(self.aws(f"s3://{other}/x", down))
            for folder in (first, second, down):
                shutil.rmtree(folder)
        medians = {}
        for row, measured in rows.items():
            wall = medians[row] = statistics.median(wall for wall, _, _ in measured)
            cpu = statistics.median(cpu for _, cpu, _ in measured)
            peak = max(peak for _, _, peak in measured)
            print(f"{name:<18} {row:<12} {wall:>8.2f} {cpu:>8.2f} {peak:>9.1f}")
        for ours, theirs in (("push", "aws up"), ("pull", "aws down")):
            ratio = medians[theirs] / medians[ours]
            print(f"{name:<18} {ours:<12} {ratio:>7.2f}x as fast as aws s3 cp")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="target/release/phytotron")
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--large", type=int, default=1024, help="MiB of the large file")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if not os.path.exists(f"{VENV}/bin/aws"):
        subprocess.run([f"{VENV}/bin/pip", "install", "-q", "awscli"], check=True)
    server, port = start_server()
    try:
        with tempfile.TemporaryDirectory() as root:
            bench = Bench(os.path.abspath(arguments.program), root, port)
            small, large = os.path.join(root, "small"), os.path.join(root, "large")
            fill(small, arguments.files, 8 << 10)
            fill(large, 1, arguments.large << 20)
            print(f"{'':<18} {'':<12} {'wall s':>8} {'cpu s':>8} {'peak MiB':>9}")
            bench.compare(f"{arguments.files} x 8 KB", small, arguments.runs)
            bench.compare(f"1 x {arguments.large} MiB", large, arguments.runs)
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
