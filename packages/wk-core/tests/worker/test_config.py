"""The config that worker processes read."""

import pickle

import pytest

from wk_core.worker.config import WorkerConfig

pytestmark = pytest.mark.backend_free

VALUES = {"size": 4, "optimizer": {"name": "adam", "rates": [0.1, {"last": 0.01}]}, "items": 7}


@pytest.fixture(params=[lambda config: config, lambda config: pickle.loads(pickle.dumps(config))])
def config(request):
    return request.param(WorkerConfig(VALUES))


def test_values_are_read_by_item_and_by_attribute(config):
    assert config.size == config["size"] == 4
    assert config.optimizer.name == config["optimizer"]["name"] == "adam"
    assert config.optimizer.rates[1].last == 0.01
    assert config["items"] == 7  # a method, as an attribute
    assert config.get("missing", 1) == 1
    assert "missing" not in config
    assert list(config) == ["size", "optimizer", "items"]
    assert config == WorkerConfig(VALUES)


def test_a_dictionary_of_ones_own(config):
    values = config.as_dict()
    assert values == VALUES
    values["optimizer"]["rates"][1]["last"] = 1
    assert config.optimizer.rates[1].last == 0.01


def test_nothing_can_be_changed(config):
    with pytest.raises(AttributeError, match=r"cannot be changed.*size=5"):
        config.size = 5
    with pytest.raises(TypeError):
        config["size"] = 5
    with pytest.raises(AttributeError, match="cannot be changed"):
        config.optimizer.name = "sgd"


def test_a_missing_value_is_named_with_those_there_are(config):
    with pytest.raises(AttributeError, match=r"no 'sise'\. It has: 'size', 'optimizer', 'items'"):
        _ = config.sise
