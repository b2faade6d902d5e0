"""What the wk packages share: the run a callback reports to, artifacts, background work.

Each module has one job; import what you need from it:

* `wk_core.run`: the W&B run of a callback, and work to be done before and after it finishes;
* `wk_core.process`: which process of a training this is, and whether it writes;
* `wk_core.strategy`: the engines that train a model in several processes;
* `wk_core.spread`: JAX arrays that are spread over processes;
* `wk_core.keras`: the Keras that this process uses;
* `wk_core.flavour`: the error for a model of the other Keras;
* `wk_core.keras_saving`: what saving and restoring a model needs of Keras;
* `wk_core.saved_objects`: the objects of a model whose state Keras saves, and where;
* `wk_core.keras_training`: what taking gradients of a model's loss needs of Keras;
* `wk_core.optimizers`: the optimizers of a model, and how often each was applied;
* `wk_core.preserved_state`: looking at a model without a trace;
* `wk_core.layer_state`: what layers keep beside the weights that are trained;
* `wk_core.description`: what is only described, and left out where it cannot be had;
* `wk_core.keras_graph`: how the layers of a model are connected;
* `wk_core.callbacks`: what callbacks do to one another, and to how Keras calls them;
* `wk_core.copying`: copies of callbacks, which do without the run;
* `wk_core.worker`: a run in worker processes: its config, and ways to log;
* `wk_core.callback_state`: what a callback remembers when a training is resumed;
* `wk_core.metric_direction`: whether less or more of a metric is better;
* `wk_core.axes`: a key prefix and its x axis;
* `wk_core.epochs`: the number of an epoch in the whole training;
* `wk_core.background`: one ordered, bounded background thread;
* `wk_core.run_rows`: the row of a run that is open, which callbacks and the user share;
* `wk_core.row_log`: the rows of a callback, logged in such a thread;
* `wk_core.artifacts`: naming and logging artifacts, the same offline as online.
"""

__all__: list[str] = []
