"""Holds every model.onnx below a folder against the logits that its engine gave."""

import json
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

TRAINING_ONLY = {"Dropout", "RandomUniform", "RandomNormal"}


def check_file(path: Path) -> None:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= 17, model.opset_import
    for node in model.graph.node:
        assert node.op_type not in TRAINING_ONLY, node.op_type
        assert all(attribute.name != "auto_pad" for attribute in node.attribute), node.name
    for tensor in [*model.graph.input, *model.graph.output]:
        assert tensor.type.tensor_type.shape.dim[0].dim_param == "batch", tensor


def judge(folder: Path) -> float:
    check_file(folder / "model.onnx")
    shape = json.loads((folder / "shape.json").read_text())
    images = numpy.fromfile(folder / "images.bin", numpy.uint8).reshape(shape)
    expected = numpy.fromfile(folder / "logits.bin", numpy.float32).reshape(len(images), -1)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch in (1, 7, len(images)):
        parts = [images[begin : begin + batch] for begin in range(0, len(images), batch)]
        answers = [session.run(["logits", "probabilities"], {"images": part}) for part in parts]
        logits = numpy.concatenate([answer[0] for answer in answers])
        probabilities = numpy.concatenate([answer[1] for answer in answers])
        assert numpy.allclose(probabilities.sum(1), 1, atol=1e-5)
        assert (probabilities.argmax(1) == logits.argmax(1)).all()
        difference = numpy.abs(logits - expected) / numpy.maximum(1, numpy.abs(expected))
        assert difference.max() <= 1e-4, f"{folder.name}, batch {batch}: {difference.max()}"
        assert (logits.argmax(1) == expected.argmax(1)).all(), f"{folder.name}: other classes"
        worst = max(worst, float(difference.max()))
    assert expected.std(0).max() > 1e-2, f"{folder.name}: it gives the same for every image"
    return worst


def main() -> None:
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/model.onnx"))
    for folder in folders:
        print(f"{folder.name}: {judge(folder):.1e}")
    print(f"{len(folders)} agree")


if __name__ == "__main__":
    main()
