"""A W&B server on the loopback interface, for tests against the unmodified wandb client."""

from wandb_loopback.process import API_KEY, free_port
from wandb_loopback.wandb_server import SeenRequest, WandbServer

__all__ = ["API_KEY", "SeenRequest", "WandbServer", "free_port"]
