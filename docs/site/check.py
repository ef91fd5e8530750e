#!/usr/bin/env python3
"""Whether the site holds together: every link inside it leads to a page and an anchor that there are, every entry of the
search, too, and no page loads anything from elsewhere.

    docs/site/check.py build/site
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What makes a browser fetch, by element: the attribute that says what.
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "object": "data"}
#: The same in style sheets and scripts.
IMPORTED = re.compile(r"(?:(?<=url\()|(?<=import )|(?<=[\"'`])(?=https://unpkg))[\"']?((?:https?:)?//[^\"'`)\s]+)")
ELSEWHERE = re.compile(r"(?:https?:)?//[^/]")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif LOADED.get(tag) in given and given.get("rel") != "canonical":
            self.loaded.append(given[LOADED[tag]])


@cache
def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def faults_of(site: Path, path: Path) -> list[str]:
    found = [f"loads {url}" for url in page(path).loaded if ELSEWHERE.match(url)]
    local = [url for url in page(path).links + page(path).loaded if not re.match(r"[a-z]+:|//", url)]
    return found + [f"links to {url}, which there is not" for url in local if not leads_somewhere(site, path, url)]


def leads_somewhere(site: Path, path: Path, url: str) -> bool:
    parts = urlsplit(url)
    target = path
    if parts.path:
        target = (path.parent / unquote(parts.path)).resolve()
        if target.is_dir():
            target /= "index.html"
    if not target.is_relative_to(site) or not target.exists():
        return False
    return not parts.fragment or target.suffix != ".html" or unquote(parts.fragment) in page(target).anchors


def main() -> int:
    site = Path(sys.argv[1]).resolve()
    pages = [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]
    faults = [f"{path.relative_to(site)} {fault}" for path in pages for fault in faults_of(site, path)]
    for sheet in [*site.rglob("*.css"), *site.rglob("*.js")]:
        faults += [
            f"{sheet.relative_to(site)} loads {url}" for url in IMPORTED.findall(sheet.read_text(encoding="utf-8"))
        ]
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    entries = [entry["location"] for entry in index["docs"]]
    faults += [f"the search leads to {url}" for url in entries if not leads_somewhere(site, site / "index.html", url)]
    for fault in faults:
        print(fault)
    print(f"site: {len(pages)} pages, {len(entries)} entries to search, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
