"""Holds every model.py below a folder against the logits that its engine gave."""

import importlib.util
import json
import sys
from pathlib import Path

import torch


def module(path: Path):
    specification = importlib.util.spec_from_file_location(f"model_{path.parent.name}", path)
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded


def read(path: Path, kind: torch.dtype) -> torch.Tensor:
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=kind)


def judge(folder: Path) -> float:
    shape = json.loads((folder / "shape.json").read_text())
    images = read(folder / "images.bin", torch.uint8).reshape(shape)
    expected = read(folder / "logits.bin", torch.float32).reshape(len(images), -1)
    script = module(folder / "model.py")
    model = script.load()
    assert len(script.CLASSES) == expected.shape[1]
    worst = 0.0
    for batch in (1, 7, len(images)):
        with torch.no_grad():
            logits = torch.cat([model(part) for part in images.split(batch)])
        difference = (logits - expected).abs() / expected.abs().clamp(min=1)
        assert difference.max() <= 1e-4, f"{folder.name}, batch {batch}: {difference.max()}"
        assert (logits.argmax(1) == expected.argmax(1)).all(), f"{folder.name}: other classes"
        worst = max(worst, float(difference.max()))
    return worst


def main() -> None:
    torch.set_num_threads(1)
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/model.py"))
    for folder in folders:
        print(f"{folder.name}: {judge(folder):.1e}")
    print(f"{len(folders)} agree")


if __name__ == "__main__":
    main()
