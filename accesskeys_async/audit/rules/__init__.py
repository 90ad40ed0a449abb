"""The rules: pure functions over a snapshot, each with who it is and what to mind."""

from accesskeys_async.audit.rules.rule import Hit, Judge, Rule, Scope, Verdict

__all__ = ["Hit", "Judge", "Rule", "Scope", "Verdict"]
