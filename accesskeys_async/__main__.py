"""Run the command line: `python -m accesskeys_async` is `accesskeys`."""

from __future__ import annotations

import sys

from accesskeys_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
