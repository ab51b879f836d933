"""The scores of the weights that ship, beside what `python -m minidl.predict --score FOLDER` printed."""
import re
from collections.abc import Iterator
from pathlib import Path

from tests.readme_numbers.check import Check, NUMBER, value
from tests.readme_numbers.markdown import Page, Table

FILE = Path("predict", "scores.txt")               # what the command printed
CARD = Path("minidl", "predict", "weights", "README.md")
COLUMNS = {"mean IoU": "mean IoU", "object": "object", "border": "border", "right": "pixels right",
           '"background" everywhere': '"background" everywhere', "background": "background"}
SHARE = re.compile(r"(?<![\w.,])(0\.\d+|\d+(?:\.\d+)?(?= ?%))(?: ?(%))?")
Scores = dict[str, dict[str, str]]                 # {group: {column: number}}


def read_scores(path: Path) -> Scores:
    """Return the rows of the table that the command printed; {} without such a file or table."""
    found: Scores = {}
    heads: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        parts = re.split(r"\s{2,}", line.strip())
        if "mean IoU" in parts:
            heads = parts
        elif heads and len(parts) == len(heads) + 1:
            found[parts[0]] = dict(zip(heads, parts[1:]))
    return found


def weights_checks(page: Page, folder: Path) -> list[Check]:
    """Return the checks of a page's tables with the weights' scores, and of its paragraphs that link to their card."""
    scores = read_scores(folder / FILE)
    tables = [table for table in page.tables if table.column("mean IoU") is not None
              and table.column("right") is not None]
    return [*(check for table in tables for check in _rows(table, scores)), *_sentences(page, scores)]


def _rows(table: Table, scores: Scores) -> Iterator[Check]:
    """Yield the checks of rows on as many images as one of the groups has; others are about other images."""
    for row in table.rows:
        counts = [number.replace(",", "") for cell in row for number in NUMBER.findall(cell.text)]
        group = next((name for count in counts for name, one in scores.items()
                      if one["images"].replace(",", "") == count), None)
        for head, cell in zip(table.heads, row):
            column = next((name for words, name in COLUMNS.items() if words in head), None)
            if group is not None and column is not None and NUMBER.fullmatch(cell.text):
                yield Check(f"weights, {group}: {column}", cell.text, scores[group].get(column), cell.at)


def _sentences(page: Page, scores: Scores) -> Iterator[Check]:
    """Yield the checks of the shares in sentences about photographs, by the clause that each stands in."""
    for paragraph in page.paragraphs:
        if f"]({CARD.as_posix()})" not in paragraph.text or paragraph.text.startswith("|"):
            continue
        about = re.search(r"([\d,]+) photographs", paragraph.text)
        others = about is not None and about[1] not in {one["images"] for one in scores.values()}
        note = "no results" if not scores else f"other photographs than the {about[1]}" if about and others else ""
        for clause in re.finditer(r"(?:[^,;:().]|(?<=\d)[.,](?=\d))+", paragraph.text):
            for share in SHARE.finditer(clause[0]) if "rendered" not in clause[0] else []:
                group, column = group_of(clause[0], scores), column_of(share[2] or "", clause[0][share.end():])
                found = None if note else scores.get(group, {}).get(column)
                measured = None if found is None else value(found) * (100 if share[2] else 1)
                yield Check(f"weights, {group}: {column}", share[1], measured,
                            paragraph.at + clause.start() + share.start(), None, note)


def group_of(clause: str, scores: Scores) -> str:
    """Return the group of images that a clause is about: "all", unless it speaks of breeds, cats or dogs.

    >>> names = {"all": {}, "breeds with 50 or more training images": {}, "other breeds": {}}
    >>> group_of("0.64 on other breeds", names), group_of("0.7 on the breeds it knows", names), group_of("0.7", names)
    ('other breeds', 'breeds with 50 or more training images', 'all')
    """
    words = [name for word, name in (("other", "other breeds"), ("cats", "cats"), ("dogs", "dogs")) if word in clause]
    if words:
        return words[0]
    return next((name for name in scores if "breed" in clause and name.startswith("breeds")), "all")


def column_of(unit: str, after: str) -> str:
    """Return the score that a share is, by its unit and the words after it."""
    if not unit:
        return "mean IoU"
    return '"background" everywhere' if "background" in after else "pixels right"
