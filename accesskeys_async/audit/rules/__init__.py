"""The rules: pure functions over a snapshot, each with who it is and what to mind."""

from accesskeys_async.audit.rules.rule import PASSED, Hit, Judge, Rule, Scope, Verdict

__all__ = ["PASSED", "Hit", "Judge", "Rule", "Scope", "Verdict"]
