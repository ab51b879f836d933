"""Markdown as HTML: the part of it that the lessons' texts use.

Headings, paragraphs, *emphasis*, **strong**, `code`, links, lists (nested by indentation), code blocks (indented or
fenced) and tables. Everything else is text, and text is escaped: HTML in it is shown, not obeyed.
"""
import html
import re
from collections.abc import Callable

INLINE = re.compile(r"""
    (?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)
  | \\(?P<escaped>[\\`*_{}\[\]()\#+.!|<>-])
  | !\[(?P<alt>[^\]]*)\]\([^()\s]*\)
  | \[(?P<label>[^\[\]]+)\]\((?P<url>[^()\s]+)\)
  | <(?P<auto>https?://[^\s<>]+)>
  | \*\*(?=[^\s*])(?P<strong>(?:`[^`]+`|[^*`]|\*(?=[^\s*])(?:`[^`]+`|[^*`])+\*)+)(?<!\s)\*\*
  | \*(?=[^\s*])(?P<em>(?:`[^`]+`|[^*`])+)(?<!\s)\*
""", re.X | re.S)
ITEM = re.compile(r"( {0,3})([-*]|\d{1,9}[.)])( {1,4})(?=\S)(.*)")
FENCE = re.compile(r" {0,3}(```+|~~~+)")
HEADING = re.compile(r"(#{1,6}) +(.*?)(?: +#+)? *")
RULE = re.compile(r"\|?(?: *:?-+:? *\|)* *:?-+:? *\|?")    # the line below a table's head


class Markdown:
    """Turns Markdown into HTML, text after text of one lesson.

    Parameters
    ----------
    level : int
        The heading level of the page that stands above the text; no heading skips a level after that.
    link : function of an address, returns the address to use or None
        None makes a link plain text. By default only addresses on the web are links.
    """

    def __init__(self, level: int = 2, link: Callable[[str], str | None] | None = None) -> None:
        self.top = self.level = level
        self.link = link or web_address

    def html(self, text: str) -> str:
        """Return the text as HTML blocks."""
        lines, blocks = text.expandtabs(4).split("\n"), []
        k = 0
        while k < len(lines):
            line = lines[k]
            if not line.strip():
                k += 1
            elif found := HEADING.fullmatch(line):
                blocks.append(self._heading(len(found[1]), found[2]))
                k += 1
            else:
                read = (self._fenced if FENCE.match(line) else self._indented if line.startswith("    ")
                        else self._table if _is_table(lines, k) else self._list if ITEM.match(line)
                        else self._paragraph)
                block, k = read(lines, k)
                blocks.append(block)
        return "\n".join(blocks)

    def inline(self, text: str) -> str:
        """Return a text without blocks, with its emphasis, code and links, as HTML."""
        parts, done = [], 0
        for found in INLINE.finditer(text):
            parts += [html.escape(text[done:found.start()]), self._span(found)]
            done = found.end()
        return "".join(parts) + html.escape(text[done:])

    def _span(self, found: re.Match[str]) -> str:
        group = found.groupdict()
        if group["code"] is not None:
            code = group["code"].replace("\n", " ")
            return f"<code>{html.escape(code.strip() or code)}</code>"
        if group["strong"] is not None:
            return f"<strong>{self.inline(group['strong'])}</strong>"
        if group["em"] is not None:
            return f"<em>{self.inline(group['em'])}</em>"
        if group["label"] is not None or group["auto"] is not None:
            label = html.escape(group["auto"]) if group["label"] is None else self.inline(group["label"])
            address = self.link(group["url"] or group["auto"])
            # A link within a link cannot be: its label's own links were made by brackets, which a label has none of.
            return label if address is None else f'<a href="{html.escape(address)}">{label}</a>'
        return html.escape(group["alt"] if group["alt"] is not None else group["escaped"])

    def _heading(self, depth: int, text: str) -> str:
        self.level = max(self.top + 1, min(6, self.top + depth - 1, self.level + 1))
        return f"<h{self.level}>{self.inline(text)}</h{self.level}>"

    def _fenced(self, lines: list[str], k: int) -> tuple[str, int]:
        mark = FENCE.match(lines[k])
        assert mark is not None
        end = next((i for i in range(k + 1, len(lines)) if lines[i].strip().startswith(mark[1])), len(lines))
        return _pre(lines[k + 1:end]), end + 1

    def _indented(self, lines: list[str], k: int) -> tuple[str, int]:
        end = k
        while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
            end += 1
        return _pre([line[4:] for line in lines[k:end]]), end

    def _paragraph(self, lines: list[str], k: int) -> tuple[str, int]:
        end = k + 1
        while end < len(lines) and not self._interrupts(lines, end):
            end += 1
        text = "\n".join(line.strip() for line in lines[k:end])
        return f"<p>{self.inline(text)}</p>", end

    def _interrupts(self, lines: list[str], k: int) -> bool:
        """Return whether a line ends the paragraph before it. Of numbers only a first item does, as in Markdown."""
        line, item = lines[k], ITEM.match(lines[k])
        return bool(not line.strip() or FENCE.match(line) or HEADING.fullmatch(line) or _is_table(lines, k)
                    or (item and item[2] in "-*1.1)"))

    def _list(self, lines: list[str], k: int) -> tuple[str, int]:
        first = ITEM.match(lines[k])
        assert first is not None
        numbered = first[2][-1] in ".)"
        tag, start = ("ol", int(first[2][:-1])) if numbered else ("ul", 1)
        items = []
        while k < len(lines):
            item = ITEM.match(lines[k])
            if item is None or (item[2][-1] in ".)") != numbered:
                break
            indent = len(item[1]) + len(item[2]) + len(item[3])
            body = [item[4]]
            k += 1
            while k < len(lines) and not self._ends_item(lines, k, indent):
                body.append(lines[k][indent:] if lines[k][:indent].isspace() else lines[k].strip())
                k += 1
            content = self.html("\n".join(body).rstrip())
            content = re.sub("^<p>(.*?)</p>", lambda first: first[1], content, count=1, flags=re.S)
            items.append(f"<li>{content}</li>")
            while k + 1 < len(lines) and not lines[k].strip() and ITEM.match(lines[k + 1]):
                k += 1                                   # an empty line between two items
        opening = f'<ol start="{start}">' if start != 1 else f"<{tag}>"
        return f"{opening}\n" + "\n".join(items) + f"\n</{tag}>", k

    def _ends_item(self, lines: list[str], k: int, indent: int) -> bool:
        line = lines[k]
        if not line.strip():                             # what is indented after an empty line still belongs to it
            return not (k + 1 < len(lines) and lines[k + 1].strip() and lines[k + 1][:indent].isspace())
        if line[:indent].isspace():
            return False
        return bool(ITEM.match(line) or HEADING.fullmatch(line) or FENCE.match(line))

    def _table(self, lines: list[str], k: int) -> tuple[str, int]:
        head, alignments = _table_row(lines[k]), _table_row(lines[k + 1])
        # The style sheet has the class: numbers are read from the right.
        styles = [' class="right"' if mark.endswith(":") and not mark.startswith(":") else "" for mark in alignments]
        end = k + 2
        while end < len(lines) and lines[end].lstrip().startswith("|"):
            end += 1

        def row(cells: list[str], tag: str) -> str:
            cells = (cells + [""] * len(head))[:len(head)]
            scope = ' scope="col"' if tag == "th" else ""
            return "<tr>" + "".join(f"<{tag}{scope}{style}>{self.inline(cell)}</{tag}>"
                                    for cell, style in zip(cells, styles)) + "</tr>"

        body = "\n".join(row(_table_row(line), "td") for line in lines[k + 2:end])
        return (f'<div class="scroll"><table>\n<thead>{row(head, "th")}'
                f"</thead>\n<tbody>\n{body}\n</tbody></table></div>"), end


def web_address(address: str) -> str | None:
    """Return addresses on the web as they are, and None for all others."""
    return address if re.match("https?://", address) else None


def _pre(lines: list[str]) -> str:
    text = "\n".join(lines).strip("\n")
    return f"<pre><code>{html.escape(text)}</code></pre>"


def _is_table(lines: list[str], k: int) -> bool:
    return (lines[k].lstrip().startswith("|") and k + 1 < len(lines) and "-" in lines[k + 1]
            and RULE.fullmatch(lines[k + 1].strip()) is not None
            and len(_table_row(lines[k])) == len(_table_row(lines[k + 1])))


def _table_row(line: str) -> list[str]:
    """Cut "| a | b |" into its cells; a bar after a backslash is text."""
    inner = re.sub(r"(?<!\\)\|$", "", line.strip().removeprefix("|"))
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]
