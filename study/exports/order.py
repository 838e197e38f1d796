"""In which form a network is exported; knows no torch, so that the command can offer it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trainables.vocabulary.refusal import Refusal

FORMATS: Final = ("safetensors", "torch", "onnx", "export", "executorch")
PRECISIONS: Final = ("fp32", "fp16", "int8")
ENCODINGS: Final = ("dense", "bitmask", "csr", "dense-zstd", "bitmask-zstd", "csr-zstd")

SUFFIXES: Final = {
    "safetensors": ".safetensors",
    "torch": ".pt",
    "onnx": ".onnx",
    "export": ".pt2",
    "executorch": ".pte",
}


@dataclass(frozen=True)
class Order:
    """What is asked of an export.

    `precision` and `encoding` are those of weights in safetensors format alone; `sizes`: whether
    every encoding and precision is measured besides; `remove`: whether zero filters are taken out.
    """

    format: str = "safetensors"
    precision: str = "fp32"
    encoding: str = "dense"
    sizes: bool = False
    remove: bool = False

    def check(self) -> None:
        """Refuse what does not go together, and a format whose packages are not installed."""
        for key, value, plain in (
            ("precision", self.precision, "fp32"),
            ("encoding", self.encoding, "dense"),
        ):
            if self.format != "safetensors" and value != plain:
                rule = f"must be {plain} unless --format is safetensors"
                raise Refusal(f"--{key} {rule}, got {value} with {self.format}")
        if self.precision == "int8":
            from trainables.trials.precision import require_precision

            require_precision(self.precision)
        if self.is_graph:
            from trainables.deploy.graphs import require_packages

            require_packages(self.format)

    @property
    def is_graph(self) -> bool:
        """Whether the file holds the network itself, not its weights alone."""
        return self.format not in ("safetensors", "torch")

    @property
    def needs_network(self) -> bool:
        """Whether the network is built, which imports the user's code where it is theirs."""
        return self.is_graph or self.sizes or self.remove or self.precision != "fp32"

    @property
    def suffix(self) -> str:
        """How names of files in this form end."""
        zstd = ".zst" if self.encoding.endswith("-zstd") else ""
        return f"{SUFFIXES[self.format]}{zstd}"
