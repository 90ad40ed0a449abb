"""JSON to records and back: the only importer of cattrs.

There are two ways in. The fast one lets a compiled decoder read JSON, UUIDs and times in one pass. Only when
it refuses an answer does the strict one run: it takes what the fast one was too narrow for, such as times in
another zone, and names the place of what is wrong.
"""

from accesskeys_async.wire.created import read_created
from accesskeys_async.wire.fields import JSON, format_organization, format_uuid, parse_uuid
from accesskeys_async.wire.reading import (
    ErrorBody,
    glance_at_page_token,
    read_error,
    read_key,
    read_page,
)
from accesskeys_async.wire.writing import dump_changes, dump_json, dump_key

__all__ = [
    "JSON",
    "ErrorBody",
    "dump_changes",
    "dump_json",
    "dump_key",
    "format_organization",
    "format_uuid",
    "glance_at_page_token",
    "parse_uuid",
    "read_created",
    "read_error",
    "read_key",
    "read_page",
]
