"""Gives the server's own tests the fixtures that the other integration tests use."""

from server.fixtures import *  # noqa: F403
