"""The examples that a command's help ends with."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final = {
    "accesskeys": (
        "accesskeys demo",
        "accesskeys list --max-items 3",
        "accesskeys audit --inventory fleet.csv --output audit.html",
    ),
    "accesskeys list": (
        "accesskeys list --max-items 3",
        "accesskeys list --format csv > keys.csv",
    ),
    "accesskeys get": ("accesskeys get --format json be0c4000-0000-4000-8000-000000000001",),
    "accesskeys create": (
        'accesskeys create --name ci --description "deploys from CI" --role ROLE_ID --token-file ci.token',
    ),
    "accesskeys update": (
        'accesskeys update be0c4000-0000-4000-8000-000000000001 --description "deploys from CI, eu"',
    ),
    "accesskeys delete": ("accesskeys delete --yes --missing-ok be0c4000-0000-4000-8000-000000000001",),
    "accesskeys reap": ("accesskeys reap --older-than 1d",),
    "accesskeys audit": (
        "accesskeys audit --output audit.html",
        "accesskeys audit --inventory fleet.csv --policy policy.toml --history history.sqlite",
    ),
    "accesskeys audit run": (
        "accesskeys audit run --output audit.html --output audit.sarif",
        "accesskeys audit run --inventory fleet.csv --checkpoint audit.checkpoint --resume",
    ),
    "accesskeys audit plan": (
        "accesskeys audit plan --inventory fleet.csv --rules AK001,AK002 --output plan.json",
    ),
    "accesskeys audit apply": ("accesskeys audit apply plan.json --inventory fleet.csv --max-deletes 25",),
    "accesskeys audit diff": ("accesskeys audit diff", "accesskeys audit diff 3 7 --format json"),
    "accesskeys audit prune": ("accesskeys audit prune --older-than 400d",),
    "accesskeys audit policy explain": ("accesskeys audit policy explain AK003 --policy policy.toml",),
    "accesskeys rotate plan": ("accesskeys rotate plan be0c4000-0000-4000-8000-000000000001 --grace 7d",),
    "accesskeys rotate run": (
        "accesskeys rotate run 5f0d1c1e-0000-4000-8000-000000000001 --to-file new.token",
    ),
    "accesskeys emulator": ("accesskeys emulator --organizations 3 --keys-per-organization 500",),
}
"""The whole name of a command -> lines to type."""
