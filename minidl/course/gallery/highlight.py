"""Python code as HTML: keywords, strings, numbers, comments and names get a class each, for a style sheet to color."""
import builtins
import html
import io
import keyword
import token
import tokenize
from collections.abc import Mapping
from itertools import accumulate

BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
# From Python 3.12 on, an f-string comes in pieces; the numbers of their kinds exist only there.
STRINGS = {number for number, name in token.tok_name.items()
           if name == "STRING" or name.startswith(("FSTRING", "TSTRING"))}


def highlight(source: str, marks: Mapping[tuple[int, int], str] | None = None) -> str:
    """Return the code as HTML, with <span class="…"> around what has a color; its text is the source, to the letter.

    `marks` has an attribute for some names, an id or the href of a link, by their place (line from 1, column from 0).
    Code that Python cannot read is colored as far as it could be read, and shown all the same.
    """
    starts = [0, *accumulate(len(line) + 1 for line in source.split("\n"))]     # of each line, in letters
    parts, done, before = [], 0, ""
    try:
        for one in tokenize.generate_tokens(io.StringIO(source).readline):
            begin, end = (starts[row - 1] + column for row, column in (one.start, one.end))
            kind, before = _kind(one, before), one.string
            mark = marks.get(one.start, "") if marks and one.type == token.NAME else ""
            if (kind or mark) and done <= begin < end:
                parts += [html.escape(source[done:begin]), _tag(html.escape(source[begin:end]), kind, mark)]
                done = end
    except (tokenize.TokenError, SyntaxError):
        pass                                             # an unfinished bracket or string
    return "".join(parts) + html.escape(source[done:])


def _tag(escaped: str, kind: str, mark: str) -> str:
    tag = "a" if mark.startswith("href") else "span"
    attributes = [f'class="{kind}"'] * bool(kind) + [mark] * bool(mark)
    return f"<{tag} {' '.join(attributes)}>{escaped}</{tag}>"


def _kind(one: tokenize.TokenInfo, before: str) -> str:
    """Return the style sheet's class for a token: keyword, defined name, builtin, string, number, comment, or none."""
    if one.type == token.NAME:
        if keyword.iskeyword(one.string):
            return "k"
        if before in ("def", "class"):
            return "d"
        return "b" if one.string in BUILTINS and before != "." else ""
    return "s" if one.type in STRINGS else {token.NUMBER: "n", tokenize.COMMENT: "c"}.get(one.type, "")
