"""How fast minidl is, and where its time goes, measured on the machine at hand: `python -m minidl.benchmark`."""
