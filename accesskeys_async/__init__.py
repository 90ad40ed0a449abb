"""An asyncio client for the access keys of organizations.

The names below are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Final

from accesskeys_async._version import __version__ as __version__

if TYPE_CHECKING:
    from accesskeys_async.client import AccessKeysClient as AccessKeysClient
    from accesskeys_async.errors import AccessKeysError as AccessKeysError
    from accesskeys_async.errors import APIConnectionError as APIConnectionError
    from accesskeys_async.errors import APIResponseError as APIResponseError
    from accesskeys_async.errors import APIStatusError as APIStatusError
    from accesskeys_async.errors import APITimeoutError as APITimeoutError
    from accesskeys_async.errors import AuthenticationError as AuthenticationError
    from accesskeys_async.errors import BudgetExhaustedError as BudgetExhaustedError
    from accesskeys_async.errors import ClientClosedError as ClientClosedError
    from accesskeys_async.errors import ConfigurationError as ConfigurationError
    from accesskeys_async.errors import ConflictError as ConflictError
    from accesskeys_async.errors import CreateOutcomeUnknownError as CreateOutcomeUnknownError
    from accesskeys_async.errors import DeadlineExceededError as DeadlineExceededError
    from accesskeys_async.errors import InvalidRequestError as InvalidRequestError
    from accesskeys_async.errors import NotFoundError as NotFoundError
    from accesskeys_async.errors import PaginationError as PaginationError
    from accesskeys_async.errors import PermissionDeniedError as PermissionDeniedError
    from accesskeys_async.errors import RateLimitError as RateLimitError
    from accesskeys_async.errors import RedirectError as RedirectError
    from accesskeys_async.errors import ResponseTooLargeError as ResponseTooLargeError
    from accesskeys_async.errors import ServerError as ServerError
    from accesskeys_async.errors import ValidationError as ValidationError
    from accesskeys_async.fanout import NewKey as NewKey
    from accesskeys_async.listing import Listing as Listing
    from accesskeys_async.listings import Listings as Listings
    from accesskeys_async.outcomes import Outcome as Outcome
    from accesskeys_async.records import UNSET as UNSET
    from accesskeys_async.records import AccessKey as AccessKey
    from accesskeys_async.records import AccessKeyPage as AccessKeyPage
    from accesskeys_async.records import Attempt as Attempt
    from accesskeys_async.records import CreatedAccessKey as CreatedAccessKey
    from accesskeys_async.records import Policy as Policy
    from accesskeys_async.records import PolicyDefinition as PolicyDefinition
    from accesskeys_async.records import Role as Role
    from accesskeys_async.records import RoleRef as RoleRef
    from accesskeys_async.records import Token as Token
    from accesskeys_async.records import Unset as Unset
    from accesskeys_async.scanning import Scan as Scan
    from accesskeys_async.transport.adaptive import Adaptive as Adaptive
    from accesskeys_async.transport.exchange import Middleware as Middleware
    from accesskeys_async.transport.exchange import Next as Next
    from accesskeys_async.transport.exchange import Request as Request
    from accesskeys_async.transport.exchange import Response as Response
    from accesskeys_async.transport.hooks import AttemptFinished as AttemptFinished
    from accesskeys_async.transport.hooks import CallFinished as CallFinished
    from accesskeys_async.transport.hooks import CallStarted as CallStarted
    from accesskeys_async.transport.hooks import Event as Event
    from accesskeys_async.transport.hooks import Hook as Hook
    from accesskeys_async.transport.hooks import WaitStarted as WaitStarted
    from accesskeys_async.transport.rates import FixedRate as FixedRate
    from accesskeys_async.transport.retry import RetryBudget as RetryBudget
    from accesskeys_async.transport.retry import RetryPolicy as RetryPolicy
    from accesskeys_async.transport.settings import Timeout as Timeout
    from accesskeys_async.transport.shared_pause import SharedPause as SharedPause
    from accesskeys_async.transport.shared_rate import RedisRate as RedisRate
    from accesskeys_async.transport.throttle import Throttle as Throttle

_HOMES: Final = {
    "client": ("AccessKeysClient",),
    "errors": (
        "APIConnectionError",
        "APIResponseError",
        "APIStatusError",
        "APITimeoutError",
        "AccessKeysError",
        "AuthenticationError",
        "BudgetExhaustedError",
        "ClientClosedError",
        "ConfigurationError",
        "ConflictError",
        "CreateOutcomeUnknownError",
        "DeadlineExceededError",
        "InvalidRequestError",
        "NotFoundError",
        "PaginationError",
        "PermissionDeniedError",
        "RateLimitError",
        "RedirectError",
        "ResponseTooLargeError",
        "ServerError",
        "ValidationError",
    ),
    "fanout": ("NewKey",),
    "listing": ("Listing",),
    "listings": ("Listings",),
    "outcomes": ("Outcome",),
    "records": (
        "AccessKey",
        "AccessKeyPage",
        "Attempt",
        "CreatedAccessKey",
        "Policy",
        "PolicyDefinition",
        "Role",
        "RoleRef",
        "Token",
        "UNSET",
        "Unset",
    ),
    "scanning": ("Scan",),
    "transport.adaptive": ("Adaptive",),
    "transport.exchange": ("Middleware", "Next", "Request", "Response"),
    "transport.hooks": ("AttemptFinished", "CallFinished", "CallStarted", "Event", "Hook", "WaitStarted"),
    "transport.rates": ("FixedRate",),
    "transport.retry": ("RetryBudget", "RetryPolicy"),
    "transport.settings": ("Timeout",),
    "transport.shared_pause": ("SharedPause",),
    "transport.shared_rate": ("RedisRate",),
    "transport.throttle": ("Throttle",),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AccessKey",
    "AccessKeyPage",
    "AccessKeysClient",
    "AccessKeysError",
    "Adaptive",
    "Attempt",
    "AttemptFinished",
    "AuthenticationError",
    "BudgetExhaustedError",
    "CallFinished",
    "CallStarted",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "CreateOutcomeUnknownError",
    "CreatedAccessKey",
    "DeadlineExceededError",
    "Event",
    "FixedRate",
    "Hook",
    "InvalidRequestError",
    "Listing",
    "Listings",
    "Middleware",
    "NewKey",
    "Next",
    "NotFoundError",
    "Outcome",
    "PaginationError",
    "PermissionDeniedError",
    "Policy",
    "PolicyDefinition",
    "RateLimitError",
    "RedirectError",
    "RedisRate",
    "Request",
    "Response",
    "ResponseTooLargeError",
    "RetryBudget",
    "RetryPolicy",
    "Role",
    "RoleRef",
    "Scan",
    "ServerError",
    "SharedPause",
    "Throttle",
    "Timeout",
    "Token",
    "Unset",
    "ValidationError",
    "WaitStarted",
    "__version__",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
