"""Markdown as HTML: the part of it that the lessons' texts use.

Headings, paragraphs, *emphasis*, **strong**, `code`, lists, code blocks (indented) and tables. Everything else is text,
and text is escaped: HTML in it is shown, not obeyed.
"""
import html
import re
from collections.abc import Callable

INLINE = re.compile(r"""
    `(?P<code>[^`]+)`
  | \*\*(?=[^\s*])(?P<strong>(?:`[^`]+`|[^*`])+)(?<!\s)\*\*
  | \*(?=[^\s*])(?P<em>(?:`[^`]+`|[^*`])+)(?<!\s)\*
  | (?<=\d)(?P<together>\s)(?=%)
""", re.X)
HEADING = re.compile(r"(#{1,5}) +(.+)")
ITEM = re.compile(r"(?:[-*]|\d+\.) +(?=\S)")
NEW_BLOCK = re.compile(r"\s*$|#{1,5} |[-*] |1\. ")     # ends a paragraph: of numbers only a first item does


def blocks(source: str) -> str:
    """Return a text as HTML; its headings are one level below those of the page, whose title is the first level."""
    lines, found = source.split("\n"), []
    while lines:
        line = lines[0]
        if not line.strip():
            lines.pop(0)
        elif heading := HEADING.fullmatch(line):
            level = len(heading[1]) + 1
            found.append(f"<h{level}>{inline(heading[2])}</h{level}>")
            lines.pop(0)
        elif line.startswith("    "):
            code = _take(lines, lambda line: line.startswith("    ") or not line.strip())
            text = "\n".join(line[4:] for line in code).rstrip("\n")
            found.append(f"<pre><code>{html.escape(text)}</code></pre>")
        elif ITEM.match(line):
            found.append(_list(_take(lines, lambda line: bool(ITEM.match(line)) or line.startswith("  "))))
        elif line.startswith("|") and len(lines) > 1 and re.fullmatch(r"\|[-:| ]+", lines[1]):
            found.append(_table(_take(lines, lambda line: line.startswith("|"))))
        else:
            paragraph = _take(lines, lambda line: not NEW_BLOCK.match(line))
            text = "\n".join(line.strip() for line in paragraph)
            found.append(f"<p>{inline(text)}</p>")
    return "\n".join(found)


def inline(text: str) -> str:
    """Return a text without blocks, with its emphasis and code, as HTML."""
    return _spans(html.escape(text))


def _spans(escaped: str) -> str:
    def span(found: re.Match[str]) -> str:
        tag = str(found.lastgroup)
        if tag == "together":                              # a number and its % stay on one line
            return "&nbsp;"
        inner = found[tag].replace("\n", " ") if tag == "code" else _spans(found[tag])
        return f"<{tag}>{inner}</{tag}>"
    return INLINE.sub(span, escaped)


def _take(lines: list[str], belongs: Callable[[str], bool]) -> list[str]:
    """Remove the first line, and those after it that belong to it, and return them."""
    count = next((i for i in range(1, len(lines)) if not belongs(lines[i])), len(lines))
    taken, lines[:count] = lines[:count], []
    return taken


def _list(lines: list[str]) -> str:
    tag = "ul" if lines[0][0] in "-*" else "ol"
    texts = [re.sub("(?m)^ +", "", ITEM.sub("", item, count=1))
             for item in re.split(rf"\n(?={ITEM.pattern})", "\n".join(lines))]
    body = "\n".join(f"<li>{inline(text)}</li>" for text in texts)
    return f"<{tag}>\n{body}\n</{tag}>"


def _table(lines: list[str]) -> str:
    head, marks, *rows = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines)
    # The style sheet has the class: numbers are read from the right.
    styles = [' class="right"' if mark.endswith(":") else "" for mark in marks]

    def row(cells: list[str], tag: str, scope: str = "") -> str:
        return "<tr>" + "".join(f"<{tag}{scope}{style}>{inline(cell)}</{tag}>"
                                for cell, style in zip(cells, styles)) + "</tr>"

    scope = ' scope="col"'
    body = "\n".join(row(cells, "td") for cells in rows)
    return (f'<div class="scroll"><table>\n<thead>{row(head, "th", scope)}'
            f"</thead>\n<tbody>\n{body}\n</tbody></table></div>")
