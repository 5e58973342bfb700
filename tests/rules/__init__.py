"""The security rules, proven against a rules engine."""
