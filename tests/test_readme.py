"""The README's example runs, its links lead somewhere, and its commands are the ones that work."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "lessons" / "README.md", ROOT / "data" / "README.md"]


def test_example_runs(capsys):
    code, = re.findall(r"```python\n(.*?)```", PAGES[0].read_text(encoding="utf-8"), re.S)
    exec(code, {})
    printed = capsys.readouterr().out
    assert "(24, 32, 32)" in printed and "ok (largest relative error" in printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("http")]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_lesson_is_in_both_tables():
    for page in PAGES[:2]:
        text = page.read_text(encoding="utf-8")
        assert [path.name for path in (ROOT / "lessons").glob("[0-9][0-9]_*.py") if path.name not in text] == []
