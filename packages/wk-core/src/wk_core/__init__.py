"""What the wk packages share: the run a callback reports to, artifacts, background work.

Each module has one job; import what you need from it:

* `wk_core.run`: the W&B run of a callback, and work to be done before it finishes;
* `wk_core.keras`: the Keras that this process uses;
* `wk_core.axes`: a key prefix and its x axis;
* `wk_core.background`: one ordered, bounded background thread;
* `wk_core.artifacts`: naming and logging artifacts, the same offline as online.
"""

__all__: list[str] = []
