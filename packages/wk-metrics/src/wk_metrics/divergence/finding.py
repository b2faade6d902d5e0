"""What is known of a training that diverges."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

Kind = Literal[
    "gradient not finite",
    "gradient exploded",
    "weight not finite",
    "weight exploded",
    "steps skipped",
]
Origin = Literal["loss", "layer", "update", "unseen step", "initial weights", "loss scale"]


@dataclass(frozen=True)
class Finding:
    """The first value of a training that is not finite, or that explodes.

    Attributes:
        step: The number of the batch whose gradient or update it was.
        since: The number of the last batch before which all was well; None if there is none.
        kind: What is wrong.
        origin: Where it comes from: `"loss"` for the loss of the batch, which is at fault with its
            inputs and labels; `"layer"` for a layer that turns gradients bad on their way back;
            `"update"` for the optimizer; `"unseen step"` for the gradient or the update of a step
            that was not looked at; `"initial weights"`; or `"loss scale"`.
        layer: The name of the layer.
        weight: The name of the weight.
        value: The norm.
        usual: The largest usual norm; NaN if none is known.
        optimizer: The name of the optimizer, of several.
    """

    step: int
    since: int | None
    kind: Kind
    origin: Origin
    layer: str
    weight: str
    value: float
    usual: float
    optimizer: str = ""

    def describe(self) -> str:
        """Returns a sentence for people: what, where, when and why."""
        return f"{self._what()}. {_WHY[self.origin]}".replace("{layer}", self.layer)

    def summary(self) -> dict[str, float | int | str]:
        """Returns what a run's summary has of it."""
        facts: dict[str, float | int | str] = {
            "step": self.step,
            "kind": self.kind,
            "origin": self.origin,
            "layer": self.layer,
            "weight": self.weight,
            # W&B leaves NaN out of a summary.
            "value": self.value if isfinite(self.value) else str(self.value),
        }
        if isfinite(self.usual):
            facts["usual"] = self.usual
        if self.optimizer:
            facts["optimizer"] = self.optimizer
        return {f"divergence/{key}": value for key, value in facts.items()}

    def _what(self) -> str:
        when = f"in batch {self.step}"
        if self.origin == "unseen step":
            when = f"between the batches {self.since} and {self.step}"
        if self.kind == "steps skipped":
            return f"Loss scaling skipped every update up to batch {self.step}"
        quantity = "gradient" if self.kind.startswith("gradient") else "weight"
        subject = f"The norm of the {quantity} {self.weight} of layer {self.layer}"
        if self.kind.endswith("not finite"):
            return f"{subject} became {self.value} {when}"
        return f"{subject} rose to {self.value:.3g} {when}, from at most {self.usual:.3g}"


_WHY: dict[Origin, str] = {
    "loss": (
        "It is the first one on the way back from the loss: look at the loss of that batch, as a "
        "logarithm of 0, and at its inputs and labels."
    ),
    "layer": (
        "The gradients nearer to the loss are as usual: look at layer {layer}, and at what is "
        "between it and the next layer."
    ),
    "update": (
        "The gradients before it were as usual, so the update made it: look at the learning rate, "
        "the optimizer's state and the weight's constraint."
    ),
    "unseen step": (
        "The steps between were not looked at: pass `norms_every=1` to look at the norms of each."
    ),
    "initial weights": "It was so before the first batch: look at where the weights come from.",
    "loss scale": (
        "The gradients overflow at any scale: a value in the forward pass is not finite in half "
        "precision."
    ),
}
