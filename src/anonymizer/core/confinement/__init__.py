"""What a process may still do that reads what somebody else wrote (docs/threat-model.md)."""
