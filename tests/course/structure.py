"""What tests of the page have in common: a reader that complains of what no page may have, and a page's plain text."""
import html
import re
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br"}


class Structure(HTMLParser):
    """Reads a page and complains of what no page may have."""

    def __init__(self, text):
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.headings: list[int] = []
        self.images: list[str | None] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is not closed" for tag in self.open]
        self.wrong += [f"{one} is there twice" for one in set(self.ids) if self.ids.count(one) > 1]
        self.wrong += [f"#{one} is nowhere" for one in self.refers if one not in self.ids]
        self.wrong += [f"h{b} follows h{a}" for a, b in zip(self.headings, self.headings[1:]) if b > a + 1]

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        self.open += [] if tag in VOID else [tag]
        self.ids += [given["id"]] if "id" in given else []
        self.refers += [given[key] for key in ("for", "aria-labelledby", "aria-describedby") if key in given]
        self.refers += [given["href"][1:]] if tag == "a" and given["href"].startswith("#") else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.images += [given.get("alt")] if tag == "img" else []
        loaded = given.get("src") if tag != "link" else given.get("href")
        for wrong, what in ((len(given) < len(attributes), "an attribute twice"),
                            (tag == "img" and not given.get("alt"), "an image without alt"),
                            (loaded is not None and not loaded.startswith("data:"), f"loads {loaded}"),
                            (any(key.startswith("on") for key in given), "a script in an attribute"),
                            (tag in ("iframe", "object", "embed", "base", "form"), "not allowed")):
            self.wrong += [f"<{tag}>: {what}"] if wrong else []

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


def text_of(markup):
    return html.unescape(re.sub("<[^>]*>", "", markup))
