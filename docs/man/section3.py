#!/usr/bin/env python3
"""Writes the manual of section 3 from Doxygen's XML: a page for each function, and tokenmgr(3) for what holds for all of
them, the statuses and the types.

    docs/man/section3.py VERSION build/docs/xml build/docs/man/man3
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.etree.ElementTree import Element

#: How text is set by element: in front of it, and behind.
FONTS = {"computeroutput": ("\\fB", "\\fR"), "bold": ("\\fB", "\\fR"), "emphasis": ("\\fI", "\\fR")}
SECTIONS = {"return": "RETURN VALUE", "since": "HISTORY"}
FUNCTION = re.compile(r"(tm_\w+)\(\)")


def escaped(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").replace("\\", "\\(rs").replace("-", "\\-")


def prose(text: str | None) -> str:
    """Text in which a function is named as a manual names it."""
    return FUNCTION.sub(r"\\fB\1\\fR(3)", escaped(text))


def inline(element: Element) -> str:
    before, after = FONTS.get(element.tag, ("", ""))
    inside = prose(element.text) + "".join(inline(child) + prose(child.tail) for child in element)
    return before + inside + after


def line(text: str) -> str:
    """Text as a line of its own: one that begins with a dot or an apostrophe would be a request."""
    text = re.sub(" +", " ", text.strip())
    return ("\\&" if text[:1] in (".", "'") else "") + text


def paragraphs(element: Element) -> str:
    """What is prose in a description; parameters and sections are for `parameters` and `sections`."""
    out = ""
    for para in element.findall("para"):
        words = prose(para.text)
        for child in para:
            if child.tag == "itemizedlist":
                out += f".PP\n{line(words)}\n" if words.strip() else ""
                out += "".join(f".IP \\(bu 2\n{line(inline(item))}\n" for item in child.iter("listitem"))
                words = ""
            elif child.tag not in ("parameterlist", "simplesect"):
                words += inline(child)
            words += prose(child.tail)
        out += f".PP\n{line(words)}\n" if words.strip() else ""
    return out


def parameters(function: Element) -> str:
    out = ""
    for item in function.iter("parameteritem"):
        names = ", ".join(name.text or "" for name in item.iter("parametername"))
        out += f".TP\n.I {names}\n{line(inline(part(item, 'parameterdescription')))}\n"
    return f".SH PARAMETERS\n{out}" if out else ""


def sections(function: Element) -> str:
    out = ""
    for section in function.iter("simplesect"):
        title = SECTIONS.get(section.get("kind", "")) or (section.findtext("title") or "").upper()
        told = " ".join(inline(para) for para in section.findall("para"))
        out += f".SH {title}\n{line(told)}\n"
    return out


def plain(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def part(element: Element, name: str) -> Element:
    """That part of it; an empty one where there is none."""
    found = element.find(name)
    return Element(name) if found is None else found


def synopsis(function: Element) -> str:
    of = [
        f"{plain(part(p, 'type'))} {p.findtext('declname', '')}".replace("* ", "*") for p in function.findall("param")
    ]
    declared = f"{plain(part(function, 'type'))} {function.findtext('name')}(".replace("* ", "*")
    declared += (",\n    ".join(of) if len(of) > 1 else "".join(of) or "void") + ");"
    return f".SH SYNOPSIS\n.nf\n.B #include <tokenmgr.h>\n.PP\n{declared}\n.fi\n"


def page(name: str, version: str, brief: str, body: str, others: list[str]) -> str:
    see = ",\n".join(f".BR {other} (3)" for other in others)
    head = f'.TH {name} 3 "" "libtokenmgr {version}" "Library Functions Manual"\n'
    head += f".SH NAME\n{name} \\- {escaped(brief).rstrip('.')}\n"
    return re.sub(r"^(\.SH .*\n)\.PP\n", r"\1", f"{head}{body}.SH SEE ALSO\n{see}\n", flags=re.MULTILINE)


def of_function(function: Element, version: str) -> str:
    name = function.findtext("name", "")
    brief, details = part(function, "briefdescription"), part(function, "detaileddescription")
    named = sorted(set(FUNCTION.findall(plain(details))) - {name})
    described = paragraphs(brief) + paragraphs(details)
    body = synopsis(function) + ".SH DESCRIPTION\n" + described + parameters(function) + sections(function)
    return page(name, version, plain(brief), body, [*named, "tokenmgr"])


def entry(term: str, element: Element) -> str:
    told = "".join(inline(part(element, name)) for name in ("briefdescription", "detaileddescription"))
    return f".TP\n.B {escaped(term)}\n{line(told)}\n"


def of_all(file: Element, structs: list[Element], version: str) -> str:
    rules = paragraphs(part(file, "detaileddescription"))
    values = "".join(entry(value.findtext("name", ""), value) for value in file.iter("enumvalue"))
    types = ""
    for kind in file.findall(".//memberdef[@kind='typedef']"):
        types += entry(kind.findtext("definition", "").replace("(* ", " (*").replace(") (", ")("), kind)
    for struct in structs:
        types += entry(f"struct {struct.findtext('compoundname')}", struct)
        for member in struct.iter("memberdef"):
            types += entry(member.findtext("definition", "").split("::")[-1], member)
    functions = [member.findtext("name", "") for member in file.findall(".//memberdef[@kind='function']")]
    body = f".SH DESCRIPTION\n{rules}.SH STATUSES\n{values}.SH TYPES\n{types}"
    return page("tokenmgr", version, "token management for API clients: the C interface", body, functions)


def main(version: str, xml: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.3"):
        old.unlink()
    file = ElementTree.parse(xml / "tokenmgr_8h.xml").getroot()[0]
    structs = [ElementTree.parse(xml / f"{inner.get('refid')}.xml").getroot()[0] for inner in file.iter("innerclass")]
    functions = file.findall(".//memberdef[@kind='function']")
    for function in functions:
        (target / f"{function.findtext('name')}.3").write_text(of_function(function, version), encoding="utf-8")
    (target / "tokenmgr.3").write_text(of_all(file, structs, version), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
