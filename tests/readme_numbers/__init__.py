"""Measure the README's numbers again and say which differ: `python -m tests.readme_numbers --help`."""
