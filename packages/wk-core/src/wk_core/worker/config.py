"""A run's config as it was, where there is neither run nor server."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["WorkerConfig"]


class WorkerConfig(Mapping[str, Any]):
    """A copy of a config that can be read like `wandb.config`, and not be changed.

    Values are read as `config["batch_size"]` or `config.batch_size`; nested values as
    `config.optimizer.name` or `config["optimizer"]["name"]`, too.

    Args:
        values: The config's values by name.

    Example:
        ```python
        from wk_core import WorkerConfig

        config = WorkerConfig({"batch_size": 32, "optimizer": {"name": "adam"}})
        assert config.batch_size == config["batch_size"] == 32
        assert config.optimizer.name == "adam"
        assert config.get("epochs", 1) == 1
        ```
    """

    __slots__ = ("_values",)

    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(
            self, "_values", {name: _frozen(value) for name, value in values.items()}
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the values in dictionaries of one's own."""
        return {name: _thawed(value) for name, value in self._values.items()}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        known = ", ".join(map(repr, self._values)) or "none"
        raise AttributeError(f"The run's config has no {name!r}. It has: {known}.")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            "A worker's copy of the config cannot be changed: it would change nowhere else. "
            f"Received: {name}={value!r}"
        )

    def __repr__(self) -> str:
        return f"WorkerConfig({self.as_dict()!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return WorkerConfig, (self.as_dict(),)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return WorkerConfig(value)
    return [_frozen(each) for each in value] if isinstance(value, list) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, WorkerConfig):
        return value.as_dict()
    return [_thawed(each) for each in value] if isinstance(value, list) else value
