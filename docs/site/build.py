#!/usr/bin/env python3
"""Lays the documentation out for the site: build/site-pages, from the Markdown files and the references.

    docs/site/build.py pages    before mkdocs: the pages, with their links led to where things are in the site
    docs/site/build.py search   after it: puts the references of C and Python into the site's one search

A link to a file that is no page leads to a page that shows it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "build/site-pages"
SITE = ROOT / "build/site"
C_REFERENCE = ROOT / "build/docs"

#: Pages whose names in the site are not their files' in lower case.
NAMES = {
    "docs/START.md": "index.md",
    "README.md": "overview.md",
    "docs/bench/README.md": "figures.md",
    "benches/README.md": "measuring.md",
    "examples/demo-api/README.md": "demo-api.md",
}
#: Files that the site has in another form, or as they are.
OTHERS = {"include/tokenmgr.h": "reference/c/tokenmgr_8h.html"}
AS_THEY_ARE = {".svg", ".json"}
LANGUAGES = {".h": "c", ".hpp": "cpp", ".py": "python", ".rs": "rust", ".js": "js", ".rb": "ruby", ".pl": "perl"}

#: What the pages of Doxygen and pdoc have in a corner.
WAY_BACK = '<a href="{}" style="position:fixed;bottom:2.5em;right:1em;z-index:9;background:#fff">All documentation</a>'

LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def tracked(path: str) -> list[str]:
    return output("git", "ls-files", path).split() or [
        str(file.relative_to(ROOT)) for file in sorted((ROOT / path).rglob("*")) if file.is_file()
    ]


def sources() -> dict[str, str]:
    """The Markdown files that are pages, and each one's name in the site."""
    files = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
    files += [f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))]
    return {**{file: Path(file).name.lower() for file in files}, **NAMES}


class Layout:
    """What is where in the site, and what has been put there so far."""

    def __init__(self) -> None:
        self.pages = sources()
        self.shown: set[str] = set()

    def place(self, file: str) -> str:
        """Where in the site a file or folder of the repository is; puts it there if it is not a page."""
        if file in self.pages:
            return self.pages[file]
        if file in OTHERS:
            return OTHERS[file]
        if Path(file).suffix in AS_THEY_ARE and file.startswith("docs/"):
            target = PAGES / file.removeprefix("docs/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target)
            return file.removeprefix("docs/")
        place = f"source/{file}.md"
        if file not in self.shown:
            self.shown.add(file)
            self.show(file, place)
        return place

    def show(self, file: str, place: str) -> None:
        """Makes the page that shows a file, or lists a folder's."""
        path = ROOT / file
        if path.is_dir():
            inside = "".join(f"- [{name}]({self.link(place, name)})\n" for name in tracked(file))
            text = f"# {file}\n\n{inside}"
        else:
            language = LANGUAGES.get(path.suffix, path.suffix[1:])
            text = f"# {file}\n\n``````{language}\n{path.read_text(encoding='utf-8')}``````\n"
        write(place, f"---\nsearch: {{exclude: true}}\n---\n{text}")

    def link(self, page: str, file: str) -> str:
        return os.path.relpath(self.place(file), Path(page).parent)

    def page(self, file: str) -> None:
        """Copies a page, with its links led to where things are here."""
        name = self.pages[file]

        def led(match: re.Match[str]) -> str:
            target = os.path.normpath(Path(file).parent / match[1])
            if not (ROOT / target).exists():
                sys.exit(f"site: {file} links to {match[1]}, which there is not")
            return f"]({self.link(name, target)}{match[2] or ''})"

        lines, is_code = [], False
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines(keepends=True):
            is_code ^= line.lstrip().startswith("```")
            lines.append(line if is_code else LINK.sub(led, line))
        write(name, "".join(lines))


def write(place: str, text: str) -> None:
    target = PAGES / place
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def output(*command: str, **environment: str) -> str:
    variables = {**os.environ, **environment}
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=variables).stdout


def references() -> None:
    """Of C by Doxygen (made by `make docs`), of Python by pdoc, of PHP by its reflection, of the command by mandoc."""
    shutil.copytree(C_REFERENCE / "html", PAGES / "reference/c")
    environment = {"PYTHONPATH": "bindings/python/src", "TOKENMGR_LIBRARY": "build/lib", "PYTHONDONTWRITEBYTECODE": "1"}
    modules = ("tokenmgr", "tokenmgr.auth", "tokenmgr.testing")
    output(sys.executable, "-m", "pdoc", "-o", str(PAGES / "reference/python"), *modules, **environment)
    for page in (PAGES / "reference").rglob("*.html"):
        way = WAY_BACK.format(os.path.relpath(PAGES / "index.html", page.parent))
        text = re.sub("(<body[^>]*>)", rf"\1{way}", page.read_text(encoding="utf-8"), count=1)
        page.write_text(without_dead_links(text), encoding="utf-8")
    write("reference/php.md", output("php", "docs/site/php_reference.php"))
    manual = output("mandoc", "-T", "html", "-O", "fragment", "docs/man/tokenmgr.1")
    manual = re.sub(r'<table class="(?:head|foot)">.*?</table>', "", manual, flags=re.DOTALL)
    write("reference/command.md", "# The command tokenmgr\n\n" + re.sub(r"(</?h)1", r"\g<1>2", manual))


def without_dead_links(html: str) -> str:
    """pdoc links what a docstring names to a class's own member where that is a base's member."""
    return re.sub(
        r'<a href="#([\w.]+)">(.*?)</a>', lambda link: link[0] if f'id="{link[1]}"' in html else link[2], html
    )


def lay_out_pages() -> None:
    shutil.rmtree(PAGES, ignore_errors=True)
    references()
    shutil.copy(ROOT / "docs/site/site.css", PAGES)
    layout = Layout()
    for file in layout.pages:
        layout.page(file)


def of_c() -> list[dict[str, str]]:
    """What Doxygen's XML tells of each function, type and constant, for the search."""
    found = []
    for member in ElementTree.parse(C_REFERENCE / "xml/tokenmgr_8h.xml").iter("memberdef"):
        page, anchor = member.get("id", "").rsplit("_1", 1)
        described = [*member.findall("briefdescription"), *member.findall("detaileddescription")]
        told = " ".join(" ".join(part.itertext()) for part in described)
        location = f"reference/c/{page}.html#{anchor}"
        found.append({"location": location, "title": member.findtext("name", ""), "text": " ".join(told.split())})
    return found


def of_python() -> list[dict[str, str]]:
    """What pdoc's own search has."""
    script = (SITE / "reference/python/search.js").read_text(encoding="utf-8")
    start = re.search(r"\bdocs = (?=[{\[])", script)
    if start is None:
        sys.exit("site: pdoc's search holds no documents")
    told, _ = json.JSONDecoder().raw_decode(script, start.end())
    members = told["documentStore"]["docs"].values() if isinstance(told, dict) else told
    return [
        {
            "location": f"reference/python/{member['modulename'].replace('.', '/')}.html#{member.get('qualname', '')}",
            "title": member["fullname"],
            "text": re.sub(r"<[^>]*>", "", member.get("doc", "")),
        }
        for member in members
    ]


def extend_search() -> None:
    index = SITE / "search/search_index.json"
    told = json.loads(index.read_text(encoding="utf-8"))
    told["docs"] += of_c() + of_python()
    index.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    {"pages": lay_out_pages, "search": extend_search}[sys.argv[1]]()
