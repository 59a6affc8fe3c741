#!/usr/bin/env python3
"""Training beside PyTorch and Keras: the same layer graphs, in turns, in one go.

    cargo build --release --example train_speed
    benches/train_peers.py [--models plain nas qnn nasnet top4] [--peers torch-cl keras ...] [--rounds 5]

Each peer is a process of its own that builds a network from the layer graph that `train_speed MODEL 2 graph`
prints, warms up, and then trains some steps whenever it is its turn; no two work at a time. Quoted is the median
over the rounds of the median step: forward, backward and an SGD step. Memory is the peak of the process, with
all that a framework brings along.

Peers: phytotron; torch (NCHW), torch-cl (channels_last), torch-compile (channels_last and torch.compile), torch-cuda
(channels_last on a GPU, in f32 without TF32), keras
(tf.function), keras-jit (jit_compile=True). `pip install torch tensorflow-cpu numpy`; what is missing is left out.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

PEERS = ["phytotron", "torch", "torch-cl", "torch-compile", "torch-cuda", "keras", "keras-jit"]
MODELS = ["plain", "nas", "qnn", "nasnet", "top4"]


def kind(node):
    """An operation's name and its fields."""
    op = node["op"]
    return (op, {}) if isinstance(op, str) else next(iter(op.items()))


def torch_step(graph, name, threads):
    """A function that trains one step, and the number of parameters."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(threads)
    nodes = graph["network"]["nodes"]

    def layer(op, fields, node, read):
        channels, shape = read["shape"]["channels"], node["shape"]
        window = fields.get("window")
        pads = window and (*window["pad_columns"], *window["pad_rows"])
        even = window and (pads[0] == pads[1] and pads[2] == pads[3])
        common = window and {
            "kernel_size": window["kernel"],
            "stride": window["stride"],
            "padding": (pads[2], pads[0]) if even else 0,
        }
        pad = nn.Identity() if even or not window else nn.ZeroPad2d(pads)
        if op == "Conv":
            common["dilation"] = fields["dilation"]
            return nn.Sequential(pad, nn.Conv2d(channels, fields["filters"], bias=fields["bias"], **common))
        if op == "Depthwise":
            return nn.Sequential(pad, nn.Conv2d(channels, channels, groups=channels, bias=False, **common))
        if op == "MaxPool":
            pad = nn.Identity() if even else nn.ConstantPad2d(pads, float("-inf"))
            return nn.Sequential(pad, nn.MaxPool2d(**common))
        if op == "AvgPool":
            return nn.Sequential(pad, nn.AvgPool2d(count_include_pad=False, **common))
        if op == "BatchNorm":
            return nn.BatchNorm2d(shape["channels"], eps=1e-3, momentum=0.1)
        if op == "Dense":
            return nn.Linear(channels, fields["units"])
        return {
            "Relu": nn.ReLU(),
            "GlobalAvgPool": nn.AdaptiveAvgPool2d(1),
            "Dropout": nn.Dropout(fields.get("rate", 0.0)),
        }.get(op, nn.Identity())

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            built = [layer(*kind(n), n, nodes[n["inputs"][0]]) for n in nodes[1:]]
            self.built = nn.ModuleList(built)

        def forward(self, x):
            maps = [x]
            for node, built in zip(nodes[1:], self.built):
                inputs = [maps[i] for i in node["inputs"]]
                op, fields = kind(node)
                if op == "Add":
                    y = inputs[0]
                    for other in inputs[1:]:
                        y = y + other
                elif op == "Concat":
                    y = torch.cat(inputs, 1)
                elif op == "Pad":
                    y = F.pad(inputs[0], (*fields["columns"], *fields["rows"]))
                elif op == "Dense" or op == "Flatten":
                    y = built(inputs[0].flatten(1))
                else:
                    y = built(inputs[0])
                maps.append(y)
            return maps[-1]

    shape = nodes[0]["shape"]
    net = Net()
    x = torch.randn(graph["batch"], shape["channels"], shape["height"], shape["width"])
    y = torch.arange(graph["batch"]) % 10
    if name != "torch":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if name == "torch-cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        net, x, y = net.cuda(), x.cuda(), y.cuda()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    run = torch.compile(net) if name == "torch-compile" else net

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(run(x), y).backward()
        optimizer.step()
        if name == "torch-cuda":
            torch.cuda.synchronize()

    return step, sum(p.numel() for p in net.parameters())


def keras_step(graph, name, threads):
    """As `torch_step`."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    layers, nodes = tf.keras.layers, graph["network"]["nodes"]

    def apply(op, fields, node, inputs, read):
        window = fields.get("window")
        x = inputs[0]
        if window:
            sides = read["shape"]["height"], read["shape"]["width"]
            outs = node["shape"]["height"], node["shape"]["width"]
            same = all(o == -(-s // t) for o, s, t in zip(outs, sides, window["stride"]))
            none = not any(window["pad_rows"] + window["pad_columns"])
            if not same and not none:
                x = layers.ZeroPadding2D((window["pad_rows"], window["pad_columns"]))(x)
            padding = "same" if same and not none else "valid"
            moves = {"strides": tuple(window["stride"]), "padding": padding}
            size = tuple(window["kernel"])
        if op == "Conv":
            rate = fields["dilation"]
            return layers.Conv2D(fields["filters"], size, dilation_rate=rate, use_bias=fields["bias"], **moves)(x)
        if op == "Depthwise":
            return layers.DepthwiseConv2D(size, use_bias=False, **moves)(x)
        if op == "MaxPool":
            return layers.MaxPool2D(size, **moves)(x)
        if op == "AvgPool":
            return layers.AveragePooling2D(size, **moves)(x)
        if op == "BatchNorm":
            return layers.BatchNormalization(momentum=0.9)(x)
        if op == "Relu":
            return layers.ReLU()(x)
        if op == "GlobalAvgPool":
            return layers.GlobalAveragePooling2D()(x)
        if op == "Flatten":
            return layers.Flatten()(x)
        if op == "Dense":
            return layers.Dense(fields["units"])(layers.Flatten()(x))
        if op == "Add":
            return layers.Add()(inputs)
        if op == "Concat":
            return layers.Concatenate()(inputs)
        if op == "Pad":
            (up, down), (left, right) = fields["rows"], fields["columns"]
            cut = [max(0, -side) for side in (up, down, left, right)]
            x = layers.Cropping2D(((cut[0], cut[1]), (cut[2], cut[3])))(x) if any(cut) else x
            grown = [max(0, side) for side in (up, down, left, right)]
            return layers.ZeroPadding2D(((grown[0], grown[1]), (grown[2], grown[3])))(x) if any(grown) else x
        return x

    shape = nodes[0]["shape"]
    side = (shape["height"], shape["width"], shape["channels"])
    maps = [layers.Input(side)]
    for node in nodes[1:]:
        inputs = [maps[i] for i in node["inputs"]]
        maps.append(apply(*kind(node), node, inputs, nodes[node["inputs"][0]]))
    net = tf.keras.Model(maps[0], maps[-1])
    x = tf.random.normal((graph["batch"], *side))
    y = tf.range(graph["batch"]) % 10
    optimizer = tf.keras.optimizers.SGD(0.01)
    criterion = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(jit_compile=name == "keras-jit")
    def compiled():
        with tf.GradientTape() as tape:
            loss = criterion(y, net(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
        return loss

    return lambda: float(compiled()), sum(int(tf.size(v)) for v in net.trainable_variables)


def serve(name, threads):
    """The work of a peer's process: a graph on the first line, then turns."""
    graph = json.loads(sys.stdin.readline())
    build = torch_step if name.startswith("torch") else keras_step
    step, parameters = build(graph, name, threads)
    step()
    print(f"ready {parameters} 0 {graph['batch']}", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line.split()[1])):
            began = time.perf_counter()
            step()
            times.append((time.perf_counter() - began) * 1e3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"ms {statistics.median(times)} {peak:.0f}", flush=True)


class Peer:
    """A peer's process, ready for its turns."""

    def __init__(self, name, model, graph, program, threads):
        self.name, self.times, self.peak = name, [], 0.0
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS")}
        environment |= {"SERVE": "1", "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        ours = [program, model, str(threads)]
        theirs = [sys.executable, os.path.abspath(__file__), "--serve", name, "--threads", str(threads)]
        self.process = subprocess.Popen(
            ours if name == "phytotron" else theirs,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        if name != "phytotron":
            self.say(graph)
        self.ready = self.process.stdout.readline().split()

    def say(self, line):
        try:
            self.process.stdin.write(line.strip() + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def turn(self, steps):
        self.say(f"go {steps}")
        answer = self.process.stdout.readline().split()
        if answer:
            self.times.append(float(answer[1]))
            self.peak = float(answer[2])
        return bool(answer)

    def why(self):
        return (self.process.stderr.read().strip().splitlines() or ["it said nothing"])[-1]


def compare(model, arguments):
    program = os.path.abspath(arguments.program)
    threads = arguments.threads
    graph = subprocess.run([program, model, "2", "graph"], capture_output=True, text=True, check=True).stdout
    peers = []
    for name in arguments.peers:
        peer = Peer(name, model, graph, program, threads)
        if peer.ready:
            peers.append(peer)
        else:
            print(f"{model}: {name} is left out: {peer.why()}")
    counts = {peer.ready[1] for peer in peers}
    assert len(counts) == 1, f"the networks differ: {counts}"
    batch, multiply_adds = int(peers[0].ready[3]), int(peers[0].ready[2])
    for peer in list(peers):
        if peer.turn(2):
            peer.times.clear()
        else:
            peers.remove(peer)
            print(f"{model}: {peer.name} is left out, it ended while it warmed up: {peer.why()}", flush=True)
    for _ in range(arguments.rounds):
        for peer in peers:
            peer.turn(arguments.steps)
    ours = statistics.median(peers[0].times)
    print(f"\n{model}: {counts.pop()} parameters, {multiply_adds / 1e6:.1f} M multiply-adds an image, batch {batch}")
    print(f"{'':<16}{'ms a step':>10}{'images/s':>10}{'GFLOP/s':>9}{'times ours':>12}{'peak MiB':>10}")
    for peer in peers:
        ms = statistics.median(peer.times)
        flops = 6 * multiply_adds * batch / ms / 1e6
        row = f"{peer.name:<16}{ms:>10.1f}{batch / ms * 1e3:>10.0f}{flops:>9.0f}{ms / ours:>12.2f}{peer.peak:>10.0f}"
        print(row, flush=True)
        peer.process.stdin.close()
        peer.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/examples/train_speed")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--peers", nargs="+", default=[peer for peer in PEERS if peer != "torch-cuda"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return serve(arguments.serve, arguments.threads)
    arguments.peers = ["phytotron", *(peer for peer in arguments.peers if peer != "phytotron")]
    for model in arguments.models:
        compare(model, arguments)


if __name__ == "__main__":
    main()
