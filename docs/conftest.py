"""The fixtures that every test here can use."""

from wk_testing.fixtures import *  # noqa: F403  pytest finds fixtures by their names
