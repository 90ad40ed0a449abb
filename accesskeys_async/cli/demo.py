"""`accesskeys demo`."""

from accesskeys_async.cli.options import local
from accesskeys_async.cli.screen import Screen


@local
def demo(screen: Screen) -> None:
    """Watch it."""
