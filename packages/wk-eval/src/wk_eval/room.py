"""How much may wait."""

import threading


class Room:
    """Counts the bytes that wait, so that whoever adds more can wait, too.

    Args:
        size: How many may wait.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Notes that so many bytes wait from now on."""
        with self._changed:
            self._taken += size

    def give_back(self, size: int) -> None:
        """Notes that so many bytes wait no longer."""
        with self._changed:
            self._taken -= size
            self._changed.notify_all()

    def wait_for_room(self) -> None:
        """Waits until no more bytes wait than may."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken <= self._size)
