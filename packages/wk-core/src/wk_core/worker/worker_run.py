"""What a run is to the worker processes of a data loader.

A worker imports wandb only when it logs: to read the config it needs nothing of it.
"""

import os
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wk_core.arguments import check_positive_number
from wk_core.worker.config import WorkerConfig

if TYPE_CHECKING:
    import wandb

__all__ = ["WorkerRun"]


class WorkerRun:
    """A run, for code that runs in worker processes: its config, and ways to log.

    Make it in the main process and keep it where the workers get to see it, as in a data set. It
    can be pickled, and works with each way to start a process: fork, spawn and forkserver.

    In a worker, `config` is there at once: it needs no server, no `wandb.init` and not even the
    import of wandb. `log` logs to the run of the main process, online and offline, as long as that
    is open. `own_run` begins a run of the worker's own, in the same group; it finishes when the
    worker ends, also when a pool ends it with SIGTERM. With `mode="disabled"` both do nothing.

    Args:
        run: The run. Defaults to the active one.
        job_type: The job type of workers' own runs. Defaults to `"worker"`.
        finish_timeout: How many seconds a worker's own run may take to finish, if its server does
            not answer. What was not uploaded is kept in its directory. Defaults to 30. Up to wandb
            0.26, which has no such limit, it waits until the server answers.

    Attributes:
        config: The run's config as it was when this was made.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If `finish_timeout` is not a positive number.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_core import WorkerRun


        class Data(keras.utils.PyDataset):
            def __init__(self, worker_run, **arguments):
                super().__init__(**arguments)
                self.worker_run = worker_run

            def __len__(self):
                return 4

            def __getitem__(self, index):
                size = self.worker_run.config.batch_size
                self.worker_run.log({"loader/batch": index})
                return np.zeros((size, 2)), np.zeros((size, 1))


        with wandb.init(mode="offline", config={"batch_size": 8}):
            data = Data(WorkerRun(), workers=2)  # and use_multiprocessing=True in a script
            model = keras.Sequential([keras.layers.Dense(1)])
            model.compile(loss="mse")
            model.fit(data, verbose=0)
        ```
    """

    config: WorkerConfig

    def __init__(
        self,
        run: "wandb.Run | None" = None,
        *,
        job_type: str = "worker",
        finish_timeout: float = 30.0,
    ) -> None:
        finish_timeout = check_positive_number(finish_timeout, "finish_timeout", of="seconds")
        from wk_core.run import resolve_run

        # Also where a training has several processes, and callbacks need no run in this one.
        run = resolve_run(type(self).__name__, run, in_every_process=True)
        config: Any = run.config  # wandb leaves its methods untyped
        self.config = WorkerConfig(dict(config.items()))
        self._disabled = bool(run.disabled)
        self._run_id = run.id
        self._run: wandb.Run | None = run
        self._process = os.getpid()
        self._pickled_run = b"" if run.disabled else pickle.dumps(run)
        self._service = os.environ.get("WANDB_SERVICE")
        settings = run.settings
        self._own_arguments: dict[str, Any] = {
            "entity": settings.entity,
            "project": settings.project,
            "group": run.group or run.id,
            "job_type": job_type,
            "dir": settings.root_dir,
            "mode": "online" if settings.mode == "shared" else settings.mode,
        }
        self._finish_timeout = finish_timeout
        self._server = settings.base_url
        if not run.disabled:
            from wk_core.run_rows import rows_of
            from wk_core.worker.attach import wait_for_workers_at_exit

            rows_of(run).has_workers = True
            wait_for_workers_at_exit()

    def log(self, data: Mapping[str, Any]) -> None:
        """Logs a row to the run of the main process.

        Rows of several workers and of the main process follow one another as they come. What has
        been logged stays logged if the worker is killed thereafter.

        Args:
            data: The row, as `run.log` takes it.

        Raises:
            wandb.Error: If the run is finished.
        """
        if self._disabled:
            return
        run = self._home_run
        if run is None:
            from wk_core.worker.attach import attached_run

            self._use_service()
            run = attached_run(self._run_id, self._pickled_run, self.config.as_dict())
        run.log(dict(data))

    def own_run(self) -> "wandb.Run":
        """Returns the worker's own run, of the same group; begins it at the first call.

        It is the same one for all calls in a process, and finishes by itself. In the main process,
        where Keras looks at a first batch, it is the main run. Where that has no group, the group
        has its id.
        """
        run = self._home_run
        if run is not None:
            return run
        from wk_core.worker.attach import init_worker_run

        self._use_service()
        return init_worker_run(
            self._run_id,
            server=self._server,
            finish_timeout=self._finish_timeout,
            config=self.config.as_dict(),
            **self._own_arguments,
        )

    @property
    def _home_run(self) -> "wandb.Run | None":
        """The run, in the process that it belongs to."""
        return self._run if self._process == os.getpid() else None

    def _use_service(self) -> None:
        # A fork server that is older than the run knows nothing of the service.
        if self._service is not None:
            os.environ["WANDB_SERVICE"] = self._service

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_run": None}
