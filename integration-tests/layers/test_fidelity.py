"""A training of each layer goes on from its checkpoint bit for bit as if nothing had been."""

import itertools

import pytest

from layers.catalog import GROUPS, LAYERS, WITH_STATE
from layers.groups import check_all, left_out, obstacle
from layers.saving import ENDINGS, OTHER_ENDINGS, checkpoint
from layers.training import Training, differences
from wk_checkpoint import restore
from wk_core.compat.keras.flavour import LEGACY, backend, keras

pytestmark = [
    pytest.mark.skipif(LEGACY, reason="Keras 3's layers"),
    # Keras says that a mask ends in the flattened outputs, and that a wrapper has unbuilt layers.
    pytest.mark.filterwarnings("ignore:Layer 'flatten:UserWarning"),
    pytest.mark.filterwarnings("ignore:.build.. was called on layer:UserWarning"),
]

EPOCHS = 3
numbers = itertools.count()


# A file of weights has no vocabularies, nor has a checkpoint of TensorFlow.
WITH_VOCABULARIES = (".keras", "-saved_model")

# What differs in how it is saved, for formats that cost more.
REPRESENTATIVE = {
    "usual": [
        "Dense",
        "BatchNormalization",
        "SpectralNormalization",
        "Bidirectional",
        "LSTM with dropout",
        "MultiHeadAttention",
        "Dropout with a seed",
        "RandomFlip",
    ],
    "adapters": ["Dense with LoRA", "Embedding with LoRA", "Conv2D with LoRA"],
    "quantized": ["Dense with int8", "Embedding with int4 and LoRA"],
    "vocabularies": ["TextVectorization", "Normalization"],
}


def check_endings(endings, path):
    """Returns a check of layers: a training goes on from a checkpoint in each of some formats."""

    def check(cases):
        directory = path / str(next(numbers))
        directory.mkdir()
        whole = Training(cases, 1)
        whole.fit(EPOCHS, callbacks=[checkpoint(directory, ending) for ending in endings])
        end = whole.state()
        wrong = []
        for ending in endings:
            resumed = Training(cases, 2, other=ending in WITH_VOCABULARIES)
            callbacks = [keras.callbacks.Callback()]  # Random numbers are put back by the first.
            state = restore(resumed.model, directory / f"1{ending}", callbacks=callbacks)
            assert state.initial_epoch == 1
            resumed.fit(EPOCHS, initial_epoch=1, callbacks=callbacks)
            wrong += [f"{ending}: {one}" for one in differences(end, resumed.state())]
        return wrong

    return check


@pytest.mark.parametrize("group", WITH_STATE)
def test_layers_go_on(group, tmp_path):
    check_all(WITH_STATE[group], check_endings(ENDINGS, tmp_path))


@pytest.mark.skipif(backend() != "tensorflow", reason="once is enough for what costs so much")
@pytest.mark.parametrize("ending", OTHER_ENDINGS)
@pytest.mark.parametrize("group", REPRESENTATIVE)
def test_layers_go_on_from_other_formats(group, ending, tmp_path):
    cases = [case for case in LAYERS if case.name in REPRESENTATIVE[group]]
    assert len(cases) == len(REPRESENTATIVE[group])
    check_all(cases, check_endings([ending], tmp_path))


@pytest.mark.parametrize("case", left_out(GROUPS), ids=str)
def test_a_layer_is_left_out(case):
    pytest.skip(f"{case.name}: {obstacle(case)}")
