"""Models and methods by name: parameters, facts and where their code is.

Data sets are in `datasets`. Pure standard library and pydantic, so that a study is checked without
torch. Each record names its function as "module:function"; `resolve` imports it when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainables.config.optimisers import Need
from trainables.formulas.structures import KINDS

Positive = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Parameters(BaseModel):
    """Parameters of a catalog entry; unknown keys are refused.

    `UNHASHED` are keys that change no bit of a result by themselves. `LATER` are keys that came
    after the first records, and stay out of records where they are at their default.
    """

    UNHASHED: ClassVar[frozenset[str]] = frozenset()
    LATER: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, defer_build=True)

    @classmethod
    @cache
    def defaults(cls) -> Mapping[str, Any]:
        """Return the default of every parameter that has one, as plain data."""
        return MappingProxyType(cls.model_construct().model_dump())


class NoParameters(Parameters):
    """An entry without parameters."""


class MlpParameters(Parameters):
    """`hidden`: widths of the hidden layers; `dropout`: probability after each."""

    hidden: tuple[Positive, ...] = (512,)
    dropout: Probability = 0.0


class CnnParameters(Parameters):
    """`channels`: width of each 3x3 convolution; `batch_norm`: a BatchNorm after each."""

    channels: Annotated[tuple[Positive, ...], Field(min_length=1)] = (16, 32, 32)
    batch_norm: bool = True


class WideResNetParameters(Parameters):
    """`variant`: standard, or biased (biases and stride as in the authors' experiments)."""

    variant: Literal["standard", "biased"] = "standard"


@dataclass(frozen=True)
class Model:
    """A model family and the function that builds it."""

    name: str
    builder: str
    parameters: type[Parameters]
    source: str


_BUILDERS = "trainables.networks.models"

MODELS: dict[str, Model] = {
    m.name: m
    for m in (
        Model("mlp", f"{_BUILDERS}:build_mlp", MlpParameters, "fully connected"),
        Model("cnn", f"{_BUILDERS}:build_cnn", CnnParameters, "small convolutional net"),
        Model("resnet20", f"{_BUILDERS}:build_resnet20", NoParameters, "He et al. 2016"),
        Model("resnet56", f"{_BUILDERS}:build_resnet56", NoParameters, "He et al. 2016"),
        Model("resnet18", f"{_BUILDERS}:build_resnet18", NoParameters,
              "He et al. 2016, with the 3x3 stem used for CIFAR"),
        Model("wrn28-10", f"{_BUILDERS}:build_wrn28_10", WideResNetParameters,
              "Zagoruyko and Komodakis 2016"),
        Model("vgg16-bn", f"{_BUILDERS}:build_vgg16_bn", NoParameters,
              "Simonyan and Zisserman 2015, with BatchNorm and one linear classifier"),
    )
}  # fmt: skip

TORCHVISION_PREFIX = "torchvision/"
_TORCHVISION = """
alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161
densenet169 densenet201 efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3
efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7 efficientnet_v2_l
efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5 mnasnet0_75
mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_16gf
regnet_x_1_6gf regnet_x_32gf regnet_x_3_2gf regnet_x_400mf regnet_x_800mf regnet_x_8gf
regnet_y_128gf regnet_y_16gf regnet_y_1_6gf regnet_y_32gf regnet_y_3_2gf regnet_y_400mf
regnet_y_800mf regnet_y_8gf resnet101 resnet152 resnet18 resnet34 resnet50 resnext101_32x8d
resnext101_64x4d resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5
shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_b swin_s swin_t swin_v2_b swin_v2_s
swin_v2_t vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32 vit_h_14
vit_l_16 vit_l_32 wide_resnet101_2 wide_resnet50_2
"""
TORCHVISION_MODELS: tuple[str, ...] = tuple(_TORCHVISION.split())
"""Classification models of torchvision, used as `torchvision/<name>`."""


MODELS |= {
    full: Model(
        full,
        f"{_BUILDERS}:build_torchvision",
        NoParameters,
        "torchvision, no weights",
    )
    for full in (TORCHVISION_PREFIX + name for name in TORCHVISION_MODELS)
}

MethodKind = Literal["retraining", "from scratch"]


@dataclass(frozen=True)
class Method:
    """A way to a sparse network.

    kind: "retraining" methods prune a dense run and retrain; those "from scratch" spend the whole
    budget in one run. `domains`: for each parameter the domain a search would sensibly use,
    as it stands in a study file. `controls_sparsity`: whether it ends at the goal by itself.
    `budgeted`: whether `budget.epochs` gives all its lengths, else dense.epochs and retrain.epochs.
    `needs`: what its optimiser must do, each with the reason. `revision` counts the times that it
    was mended so that the same keys compute something else (see `revisions`).
    """

    name: str
    title: str
    kind: MethodKind
    parameters: type[Parameters]
    controls_sparsity: bool
    source: str
    domains: Mapping[str, Any]
    function: str | None = None
    structures: tuple[str, ...] = ("weights",)
    budgeted: bool = True
    needs: Mapping[Need, str] = field(default_factory=dict)
    revision: int = 1

    @property
    def splits_budget(self) -> bool:
        """Whether one budget is shared between a dense run and retraining."""
        return self.budgeted and self.kind == "retraining"


class IntervalParameters(Parameters):
    """`interval`: epochs between two rises of the sparsity; at most half of the run."""

    interval: Positive = 2


class GmpParameters(IntervalParameters):
    """`recover`: whether pruned weights live on behind the mask and may return."""

    recover: bool = False


class DpfParameters(IntervalParameters):
    """`guard`: whether filters without a weight left are denied their gradient."""

    guard: bool = True


class ToppedUpParameters(Parameters):
    """`top_up`: whether a run that ends below the goal is pruned to it at its end, by magnitude."""

    top_up: bool = False


class StrParameters(ToppedUpParameters):
    """`s_initial`: where each layer's theta starts; its threshold is sigmoid(theta).
    `threshold_decay`: the weight decay of theta, that of the weights unless given.

    Weight decay moves theta towards 0 and so raises the threshold; how far goes with the decay
    times the sum of the rates of all steps. Runs of some hundred steps want a start near -5 and a
    decay near 0.02; the paper starts at -3200 for ResNet-50 on ImageNet, with a decay near 2e-5.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"threshold_decay"})

    s_initial: Finite = -3.0
    threshold_decay: NonNegative | None = None


class CsParameters(ToppedUpParameters):
    """`s_initial`: where every gate's m starts, and what most decides the sparsity; `beta_final`:
    the last steepness of the gates; `penalty`: the weight lambda of the sum of the gates.

    `beta_final` and `penalty` are the paper's, which varies `s_initial` around 0; far below 0 the
    factor 1 / sigmoid(s_initial) leaves what single precision can hold.
    """

    s_initial: Annotated[float, Field(ge=-80, allow_inf_nan=False)] = -0.02
    beta_final: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 200.0
    penalty: NonNegative = 1e-8


class DstParameters(ToppedUpParameters):
    """`penalty`: the weight alpha of the sum of exp(-theta) in the loss. `threshold_decay`: the
    weight decay of theta, none as the paper has it.

    The default penalty suits runs of some hundred steps; longer runs need a smaller one. The code
    of the paper decays theta as it does the weights.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"threshold_decay"})

    penalty: NonNegative = 3e-3
    threshold_decay: NonNegative = 0.0


ALL = tuple(KINDS)
"""The structures of methods that prune by `pruning.ranking`, which can do every kind."""

_SHRINKS = "weights that lose their gradient shrink by the decay that gathers in their momentum"

METHODS: dict[str, Method] = {
    m.name: m
    for m in (
        Method("imp", "Iterative magnitude pruning with retraining", "retraining", NoParameters,
               True, "Han et al. 2015", {"prune.cycles": {"int": [1, 5]}},
               structures=ALL, budgeted=False),
        Method("bimp", "Budgeted IMP: dense run and IMP in one fixed budget", "retraining",
               NoParameters, True, "Zimmer, Spiegel and Pokutta 2023",
               {"budget.dense_fraction": {"uniform": [0.3, 0.9]}, "prune.cycles": {"int": [1, 4]}},
               structures=ALL),
        Method("gmp", "Gradual magnitude pruning", "from scratch", GmpParameters, True,
               "Zhu and Gupta 2017",
               {"method.interval": {"choice": [1, 2, 4]},
                "method.recover": {"choice": [False, True]}},
               "trainables.methods.gmp:Gmp", structures=ALL),
        Method("gsm", "Global sparse momentum", "from scratch", NoParameters, True,
               "Ding et al. 2019", {"dense.momentum": {"choice": [0.9, 0.95, 0.98, 0.99]},
                "dense.weight_decay": {"loguniform": [1e-4, 1e-2]}},
               "trainables.methods.gsm:Gsm",
               needs={"coupled decay": _SHRINKS, "momentum": _SHRINKS}),
        Method("lc", "Learning and compression", "from scratch", NoParameters, True,
               "Carreira-Perpinan and Idelbayev 2018",
               {"dense.weight_decay": {"loguniform": [1e-4, 1e-1]}},
               "trainables.methods.lc:Lc",
               needs={"coupled decay": "it takes the decay of its largest weights back out"}),
        Method("dpf", "Dynamic pruning with feedback", "from scratch", DpfParameters, True,
               "Lin et al. 2020", {"method.interval": {"choice": [1, 2, 4]},
                                   "prune.scope": {"choice": ["global", "layer"]}},
               "trainables.methods.dpf:Dpf", structures=ALL, revision=2),
        Method("dnw", "Discovering neural wirings", "from scratch", NoParameters, True,
               "Wortsman et al. 2019", {"prune.scope": {"choice": ["global", "layer"]},
                                        "dense.weight_decay": {"loguniform": [1e-4, 1e-2]}},
               "trainables.methods.dnw:Dnw"),
        Method("str", "Soft threshold reparameterisation", "from scratch", StrParameters, False,
               "Kusupati et al. 2020", {"method.s_initial": {"uniform": [-8.0, -3.0]},
                                        "dense.weight_decay": {"loguniform": [1e-4, 6e-2]}},
               "trainables.methods.soft_threshold:SoftThreshold",
               needs={"coupled decay": "its thresholds stand where decay and gradient balance"}),
        Method("cs", "Continuous sparsification", "from scratch", CsParameters, False,
               "Savarese, Silva and Maire 2020", {"method.s_initial": {"uniform": [-0.3, 0.1]},
                                                  "method.penalty": {"loguniform": [1e-9, 1e-5]}},
               "trainables.methods.cs:ContinuousSparsification"),
        Method("dst", "Dynamic sparse training", "from scratch", DstParameters, False,
               "Liu et al. 2020", {"method.penalty": {"loguniform": [1e-6, 1e-2]}},
               "trainables.methods.dst:DynamicSparse"),
    )
}  # fmt: skip


def unknown(what: str, given: object, known: Mapping[str, Any]) -> str:
    """Return the sentence for an unknown name: the nearest known ones, or all of them."""
    near = get_close_matches(str(given), known, n=3, cutoff=0.5)
    near += [name for name in known if name.endswith(f"/{given}") and name not in near]
    listed = [name for name in known if "/" not in name]
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(listed)}"
    return f"{what} must be a known name, got {given!r}; {hint}"


def resolve(reference: str) -> Any:
    """Return the object that "module:name" names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
