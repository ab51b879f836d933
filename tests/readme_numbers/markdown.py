"""A page in Markdown: its tables and paragraphs, and where in the text each cell is."""
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LINK = re.compile(r"\]\(([^)\s]+)\)")
# What is no statement of the page: code between fences, HTML tags, targets of links, code between single quotes.
NOT_SAID = re.compile(r"^```.*?^```|<[^>]+>|\]\([^)]*\)|`[^`\n]+`", re.S | re.M)

OF_SOMETHING = re.compile(r"(?<![\w.,])(?:\d+(?:,\d{3})*\.\d+|\d+(?:,\d{3})+|\d+(?= ?%| [a-z]))(?: ?%| [a-z]+)?")


@dataclass(frozen=True)
class Cell:
    text: str        # without bold marks around it
    at: int          # of its first letter in the page's text

    @property
    def name(self) -> str:
        """The text alone: of a link its words, without what follows in brackets."""
        return re.sub(r"\s*\(.*", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", self.text)).strip(" *")


@dataclass(frozen=True)
class Table:
    """A table; `before` is the paragraph right above it (a heading, if there is none)."""

    heads: list[str]
    rows: list[list[Cell]]
    before: str

    def column(self, *words: str) -> int | None:
        """Return the first column whose head contains one of the words, None if none does."""
        for k, head in enumerate(self.heads):
            if any(word in head for word in words):
                return k
        return None


@dataclass(frozen=True)
class Page:
    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "Page":
        return cls(path, path.read_text(encoding="utf-8"))

    def line(self, at: int) -> int:
        """Return the number of the line at a place, from 1."""
        return self.text.count("\n", 0, at) + 1

    @cached_property
    def paragraphs(self) -> list[Cell]:
        """What stands between empty lines, tables and lists included."""
        return [Cell(found[0], found.start()) for found in re.finditer(r"\S[^\n]*(?:\n[^\n]*\S[^\n]*)*", self.text)]

    @cached_property
    def tables(self) -> list[Table]:
        found, before = [], ""
        for paragraph in self.paragraphs:
            lines = paragraph.text.split("\n")
            if len(lines) > 2 and re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", lines[1].strip()):
                starts = [paragraph.at + sum(len(line) + 1 for line in lines[:k]) for k in range(len(lines))]
                heads, _, *rows = (cells(line, start) for line, start in zip(lines, starts))
                found.append(Table([head.text for head in heads], rows, before))
            before = paragraph.text
        return found


def cells(line: str, start: int) -> list[Cell]:
    """Return the cells of a table's line, which begins at a place of the page.

    >>> cells("| U-Net | **0.7** |", 100)
    [Cell(text='U-Net', at=102), Cell(text='0.7', at=112)]
    """
    found = []
    for match in re.finditer(r"\|([^|\n]*)(?=\|)", line):
        inner = match[1].lstrip(" *")
        found.append(Cell(inner.rstrip(" *"), start + match.end() - len(inner)))
    return found


def rest(page: Page, said: list[tuple[int, str]]) -> dict[int, list[str]]:
    """Return by lines the numbers with decimals, commas, a unit or a noun that the page has beyond `said`.

    Code, addresses and tags are passed over; `said` are the places and texts of the numbers that are looked after.
    """
    text = NOT_SAID.sub(lambda found: " " * len(found[0]), page.text)
    for at, words in said:
        text = text[:at] + " " * len(words) + text[at + len(words):]
    found: dict[int, list[str]] = {}
    for number in OF_SOMETHING.finditer(text):
        found.setdefault(page.line(number.start()), []).append(number[0])
    return found
