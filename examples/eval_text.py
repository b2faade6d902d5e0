"""Looks at which library a small network takes a sentence of documentation for.

    uv run examples/eval_text.py

The sentences are the first ones of the docstrings of NumPy, scikit-learn and Keras, which are all
installed here, and the run stays on this machine.
"""

import argparse
import importlib
import inspect
import re
from collections import Counter

import keras
import numpy as np
import wandb

from wk_eval import TextClassificationEval

LIBRARIES = ["numpy", "sklearn", "keras"]
MODULES = {
    "numpy": ["numpy", "numpy.linalg", "numpy.random", "numpy.ma", "numpy.fft", "numpy.polynomial"],
    "sklearn": [f"sklearn.{name}" for name in ("cluster", "linear_model", "metrics", "svm")]
    + [f"sklearn.{name}" for name in ("datasets", "ensemble", "preprocessing", "model_selection")],
    "keras": ["keras", "keras.layers", "keras.ops", "keras.losses", "keras.metrics"],
}
WORDS, LENGTH = 1500, 16


def main() -> None:
    """Trains, and looks at 200 sentences after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    epochs = parser.parse_args().epochs
    keras.utils.set_random_seed(0)

    sentences, labels = load_sentences()
    validates = np.arange(len(labels)) % 5 == 0
    words = [re.findall(r"[a-z]+", sentence.lower()) for sentence in sentences]
    learnt = [words[number] for number in np.flatnonzero(~validates)]
    counts = Counter(word for sentence in learnt for word in sentence if word not in LIBRARIES)
    vocabulary = ["", "[unknown]", *(word for word, _ in counts.most_common(WORDS))]
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokens = np.zeros((len(words), LENGTH), "int32")
    for row, sentence in zip(tokens, words, strict=True):
        row[: len(sentence)] = [numbers.get(word, 1) for word in sentence[:LENGTH]]

    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            keras.layers.Embedding(len(vocabulary), 32),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(len(LIBRARIES), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")

    with wandb.init(project="wk-eval", mode="offline"):
        evaluation = TextClassificationEval(
            (tokens[validates], labels[validates]),
            vocabulary=vocabulary,
            labels=LIBRARIES,
            num_samples=200,
        )
        model.fit(tokens[~validates], labels[~validates], epochs=epochs, callbacks=[evaluation])


def load_sentences() -> tuple[list[str], np.ndarray]:
    """Returns sentences, each once, and the numbers of their libraries."""
    found: dict[str, int] = {}
    for number, library in enumerate(LIBRARIES):
        for name in MODULES[library]:
            module = importlib.import_module(name)
            for member, value in sorted(vars(module).items()):
                documentation = "" if member.startswith("_") else inspect.getdoc(value) or ""
                sentence = " ".join(documentation.partition("\n\n")[0].split())
                if len(sentence.split()) > 2:
                    found.setdefault(sentence, number)
    order = np.random.default_rng(0).permutation(len(found))
    sentences, labels = list(found), np.array(list(found.values()))
    return [sentences[number] for number in order], labels[order]


if __name__ == "__main__":
    main()
