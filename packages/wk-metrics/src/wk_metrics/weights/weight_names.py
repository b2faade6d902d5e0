"""Names of a model's weights: stable from run to run, and distinct."""

from collections import Counter
from typing import Any

from wk_core.compat.keras.flavour import weight_path
from wk_core.compat.keras.graph import own_layers
from wk_core.description import distinct


def weight_names(model: Any) -> dict[int, str]:
    """Returns the name of each weight of a model, by the weight's `id`.

    The name is the weight's own, such as `dense/kernel`: its path in Keras 3, without the name of
    the model, which Keras numbers in each process. If several weights share a name, as in nested
    models, the name of their layer of the model comes first, and a number is appended if they still
    share it.

    Args:
        model: A model that is built.

    Example:
        ```python
        import keras
        from wk_metrics.weights.weight_names import weight_names

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="head")])
        assert list(weight_names(model).values()) == ["head/kernel", "head/bias"]
        ```
    """
    weights = {id(weight): weight for weight in model.weights}
    layers = layer_names(model)
    names = {key: _own_name(weight, model.name) for key, weight in weights.items()}
    counts = Counter(names.values())
    for key, name in names.items():
        if counts[name] > 1 and key in layers:
            names[key] = f"{layers[key]}/{name}"
    return dict(zip(names, distinct(names.values()), strict=True))


def layer_names(model: Any) -> dict[int, str]:
    """Returns the name of the layer that each weight belongs to, by the weight's `id`.

    Only the model's own layers count, not the layers within them. A shared weight belongs to the
    first of its layers.
    """
    owners: dict[int, str] = {}
    for layer in own_layers(model):
        for weight in layer.weights:
            owners.setdefault(id(weight), layer.name)
    return owners


def _own_name(weight: Any, model_name: str) -> str:
    return weight_path(weight).removeprefix(f"{model_name}/")
