"""The house's own rules, for what ruff cannot know: run `python -m tools.lint src tests`."""
