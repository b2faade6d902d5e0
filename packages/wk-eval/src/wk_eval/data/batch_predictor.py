"""Predicts batches in one process of a training."""

from typing import Any

from wk_core.compat.keras.flavour import map_structure, without_distribution
from wk_core.compat.keras.sharding import gather, is_multi_process, is_sharded
from wk_core.distribution import replicas_strategy

__all__ = ["BatchPredictor"]


class BatchPredictor:
    """Predicts batches with a model, in this process alone.

    In a training with several processes, all of them would have to call Keras' `predict` together,
    and `predict_on_batch` gives the batch to each replica of the model.

    Args:
        model: The model.

    Raises:
        ValueError: If this process has only a part of the model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._compiled: Any = None
        self._by_replica = replicas_strategy(model) is not None
        self._by_jax = is_multi_process(model)
        if is_sharded(model):
            raise ValueError(
                "The model is split over several processes: one of them cannot predict with it. "
                "Evaluate its checkpoints in a process of its own."
            )

    def __call__(self, batch: Any) -> Any:
        """Returns the model's outputs for a batch of inputs."""
        if self._by_replica:
            return self._predict_by_replica(batch)
        if self._by_jax:
            return self._predict_by_jax(batch)
        return self._model.predict_on_batch(batch)

    def _predict_by_replica(self, batch: Any) -> Any:
        import tensorflow as tf

        # Each replica has variables of its own. All of them predict; one result is returned.
        strategy, model = self._model.distribute_strategy, self._model
        if self._compiled is None:
            self._compiled = tf.function(
                lambda inputs: strategy.run(lambda each: model(each, training=False), (inputs,))
            )
        outputs = self._compiled(map_structure(tf.convert_to_tensor, batch))
        return map_structure(
            lambda output: strategy.experimental_local_results(output)[0].numpy(), outputs
        )

    def _predict_by_jax(self, batch: Any) -> Any:
        import jax

        if self._compiled is None:
            call = self._model.stateless_call
            self._compiled = jax.jit(lambda *state_and_batch: call(*state_and_batch)[0])
        trainable, others = (
            [gather(variable.value) for variable in variables]
            for variables in (
                self._model.trainable_variables,
                self._model.non_trainable_variables,
            )
        )
        with without_distribution():
            outputs = self._compiled(trainable, others, batch)
        return jax.device_get(outputs)
