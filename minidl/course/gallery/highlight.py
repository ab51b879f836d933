"""Python code as HTML: keywords, strings, numbers, comments and names get a class each, for a style sheet to color."""
import builtins
import html
import io
import keyword
import token
import tokenize

BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
CLASSES = {"keyword": "k", "string": "s", "number": "n", "comment": "c", "builtin": "b", "defined": "d"}
# From Python 3.12 on, an f-string comes in pieces; the numbers of their kinds exist only there.
STRINGS = {number for number, name in token.tok_name.items()
           if name == "STRING" or name.startswith(("FSTRING", "TSTRING"))}


def highlight(source: str) -> str:
    """Return the code as HTML, with <span class="…"> around what has a color; its text is the source, to the letter.

    Code that Python cannot read is colored as far as it could be read, and shown all the same.
    """
    if "\r" in source or "\f" in source:                 # not counted as the tokenizer counts them
        return html.escape(source)
    starts = [0]                                         # of each line, in letters from the beginning
    for line in source.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    parts, done = [], 0
    for kind, (first_row, first), (last_row, last) in _pieces(source):
        begin, end = starts[first_row - 1] + first, starts[last_row - 1] + last
        if done <= begin < end <= len(source):
            parts += [html.escape(source[done:begin]),
                      f'<span class="{CLASSES[kind]}">{html.escape(source[begin:end])}</span>']
            done = end
    return "".join(parts) + html.escape(source[done:])


def _pieces(source: str) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Return (kind, start, end) of what gets a color, with (row, column) as the tokenizer gives them."""
    pieces, before = [], ""
    try:
        for one in tokenize.generate_tokens(io.StringIO(source).readline):
            kind = _kind(one, before)
            if kind:
                pieces.append((kind, one.start, one.end))
            before = one.string
    except (tokenize.TokenError, SyntaxError):
        pass                                             # an unfinished bracket or string: keep what there is
    return pieces


def _kind(one: tokenize.TokenInfo, before: str) -> str:
    if one.type == token.NAME:
        if keyword.iskeyword(one.string):
            return "keyword"
        if before in ("def", "class"):
            return "defined"
        return "builtin" if one.string in BUILTINS and before != "." else ""
    if one.type in STRINGS:
        return "string"
    return {token.NUMBER: "number", tokenize.COMMENT: "comment"}.get(one.type, "")
