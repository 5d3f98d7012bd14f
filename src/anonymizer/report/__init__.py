"""The verification report: one schema, written as JSON and as a page."""
