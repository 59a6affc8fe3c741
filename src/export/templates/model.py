"""{{ title }}, as phytotron trained it. Needs PyTorch 1.13 or later; images from files need Pillow, too.

    python model.py leaf.png another.jpg

prints the likeliest classes of each image. In a program:

    from model import CLASSES, load, read_image
    model = load()
    probabilities = model(read_image("leaf.png")[None]).softmax(1)

The weights lie in weights.safetensors beside this file.
"""

import json
import struct
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = [{{ classes }}]
HEIGHT, WIDTH, CHANNELS = {{ height }}, {{ width }}, {{ channels }}

{% for network in networks %}
class {{ network.title }}(nn.Module):
    """Scaled images [batch, channel, row, column] to logits [batch, class]."""

    def __init__(self) -> None:
        super().__init__()
{%- for line in network.layers %}
        {{ line }}
{%- endfor %}

    def forward(self, images: Tensor) -> Tensor:
{%- for line in network.forward %}
        {{ line }}
{%- endfor %}

{% endfor %}
class Model(nn.Module):
{%- if networks.len() == 1 %}
    """Images as bytes [batch, row, column, channel] to logits [batch, class]."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network()

    def forward(self, images: Tensor) -> Tensor:
        return self.network(scaled(images))
{%- else %}
    """Images as bytes [batch, row, column, channel] to logits [batch, class] of an ensemble: the logarithm
    of the mean of its networks' class probabilities."""

    def __init__(self) -> None:
        super().__init__()
{%- for network in networks %}
        self.{{ network.name }} = {{ network.title }}()
{%- endfor %}

    def forward(self, images: Tensor) -> Tensor:
        images = scaled(images)
        rows = [network(images).log_softmax(1) for network in self.children()]
        return torch.stack(rows).logsumexp(0) - torch.log(torch.tensor(float(len(rows))))
{%- endif %}


def scaled(images: Tensor) -> Tensor:
    """Bytes [batch, row, column, channel] to numbers near 1 [batch, channel, row, column]."""
    images = images.float()
{%- match scaling %}
{%- when Scaling::Standard with { mean, deviation } %}
    # Mean and deviation of each channel over all training images.
    images = (images - torch.tensor({{ mean|fmt("{:?}") }})) / torch.tensor({{ deviation|fmt("{:?}") }})
{%- when Scaling::GlobalContrast %}
    # Each image by itself; the {{ CONTRAST_BIAS }} keeps the noise of an empty one small.
    images = images - images.mean((1, 2, 3), keepdim=True)
    images = images / (images.square().mean((1, 2, 3), keepdim=True) + {{ CONTRAST_BIAS }}).sqrt()
{%- endmatch %}
    return images.permute(0, 3, 1, 2)
{%- if has_mean_pool %}


def mean_pool(images: Tensor, kernel: tuple, stride: tuple, pads: tuple) -> Tensor:
    """Average pooling of the numbers inside the map only, where torch has no pads for one side alone."""
    inside = F.avg_pool2d(F.pad(torch.ones_like(images[:1, :1]), pads), kernel, stride)
    return F.avg_pool2d(F.pad(images, pads), kernel, stride) / inside
{%- endif %}


def load(path: Path = Path(__file__).with_name("weights.safetensors")) -> Model:
    """The trained model, ready to be asked."""
    model = Model()
    model.load_state_dict(read_tensors(path))
    return model.eval()


def read_tensors(path: Path) -> dict:
    """A safetensors file: the length of a JSON header, the header, and all numbers."""
    content = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    tensors = {}
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            numbers = torch.frombuffer(content[8 + length + begin : 8 + length + end], dtype=torch.float32)
            tensors[name] = numbers.reshape(entry["shape"])
    return tensors


def read_image(path: str) -> Tensor:
    """An image file as bytes [row, column, channel], in the form that the network was trained on."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    # Transparency lies on white.
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
{%- if crops %}
    # The middle of it, as large as fits.
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
{%- endif %}
    if image.size != (WIDTH, HEIGHT):
        image = image.resize((WIDTH, HEIGHT), Image.BILINEAR)
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(HEIGHT, WIDTH, 3)
{%- if channels == 1 %}
    # Luma of ITU-R BT.601.
    weights = torch.tensor([299, 587, 114])
    pixels = ((pixels.int() * weights).sum(2, keepdim=True) + 500).div(1000, rounding_mode="floor").byte()
{%- endif %}
    return pixels


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python model.py IMAGE...")
    model = load()
    for path in sys.argv[1:]:
        with torch.no_grad():
            probabilities = model(read_image(path)[None]).softmax(1)[0]
        likeliest = probabilities.topk(min(5, len(CLASSES)))
        print(path)
        for probability, place in zip(likeliest.values.tolist(), likeliest.indices.tolist()):
            print(f"  {probability:6.1%}  {CLASSES[place]}")


if __name__ == "__main__":
    main()
