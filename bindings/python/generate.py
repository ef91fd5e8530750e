"""Writes what the package takes from the library's own files: `_api.py` from include/tokenmgr-ffi.h, `_options.py` from
docs/options.schema.json, and `auth.py` from docs/dialect.schema.json.

    python3 bindings/python/generate.py            write them
    python3 bindings/python/generate.py --check    say what is not as committed, and exit with 1 if anything
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGE = HERE / "src" / "tokenmgr"

# ---- _api.py --------------------------------------------------------------------------------------------------------

CTYPES = {
    "void": "None",
    "bool": "ctypes.c_bool",
    "int32_t": "ctypes.c_int32",
    "uint32_t": "ctypes.c_uint32",
    "int64_t": "ctypes.c_int64",
    "size_t": "ctypes.c_size_t",
}


def ctype(declared: str) -> str:
    """The ctypes name of a C type. Text that is not const is the caller's to free or to fill, and stays a pointer."""
    words = declared.replace("*", " * ").split()
    stars = words.count("*")
    is_const = "const" in words
    name = next(word for word in words if word not in ("const", "struct", "enum", "*"))
    if stars == 0:
        if name.endswith(("_callback", "_load", "_save", "_lock", "_unlock", "_read", "_rewind", "_write")):
            return name
        return "ctypes.c_int32" if "enum" in words else CTYPES[name]
    if stars == 1 and name == "char" and is_const:
        return "ctypes.c_char_p"
    return "ctypes.c_void_p" if stars == 1 else "ctypes.POINTER(ctypes.c_void_p)"


def arguments(text: str) -> list[str]:
    """The ctypes names of a parameter list."""
    if text.strip() == "void":
        return []
    return [ctype(re.sub(r"\w+$", "", one.strip())) for one in text.split(",")]


def api(header: str) -> str:
    version = re.search(r"#define TM_ABI_VERSION (\d+)", header)
    soname = re.search(r'#define FFI_LIB "(.*)"', header)
    statuses = re.search(r"typedef enum tm_status \{(.*?)\}", header, re.DOTALL)
    if not (version and soname and statuses):
        raise SystemExit("include/tokenmgr-ffi.h has changed its shape")
    lines = [
        '"""The C interface. Generated from include/tokenmgr-ffi.h by generate.py; do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "import ctypes",
        "import enum",
        "from typing import Any, Final",
        "",
        f"ABI_VERSION: Final = {version[1]}",
        f'SONAME: Final = "{soname[1]}"',
        "",
        "",
        "class Status(enum.IntEnum):",
        '    """Why a call ended: the numbers of `tm_status`."""',
        "",
    ]
    lines += [f"    {name} = {number}" for name, number in re.findall(r"TM_(\w+) = (\d+)", statuses[1])]
    lines += ["", ""]
    for result, name, parameters in re.findall(r"typedef (\w+) \(\*(\w+)\)\((.*?)\);", header):
        lines.append(f"{name} = ctypes.CFUNCTYPE({', '.join([ctype(result), *arguments(parameters)])})")
    for name, members in re.findall(r"typedef struct (\w+) \{(.*?)\}", header, re.DOTALL):
        lines += ["", "", f"class {name}(ctypes.Structure):", "    _fields_ = ("]
        for declared, member in re.findall(r"(.*?)(\w+);", members):
            lines.append(f'        ("{member}", {ctype(declared)}),')
        lines += ["    )", ""]
    lines += [
        "",
        "# Of each function: what it returns, and what it takes.",
        "FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {",
    ]
    for result, name, parameters in re.findall(
        r"^((?:const )?(?:struct |enum )?\w+ \*?)(tm_\w+)\((.*?)\);", header, re.MULTILINE
    ):
        taken = arguments(parameters)
        comma = "," if len(taken) == 1 else ""
        lines.append(f'    "{name}": ({ctype(result)}, ({", ".join(taken)}{comma})),')
    return "\n".join([*lines, "}", ""])


# ---- _options.py ----------------------------------------------------------------------------------------------------

PYTHON = {"boolean": "bool", "integer": "int", "number": "float", "string": "str", "null": "None"}


def python_type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The type hint of a JSON schema, as far as the options use JSON schema."""
    if "$ref" in schema:
        return python_type(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "const" in schema:
        return f"Literal[{json.dumps(schema['const'])}]"
    if "enum" in schema:
        return "Literal[" + ", ".join(json.dumps(value) for value in schema["enum"]) + "]"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return union([python_type(one, definitions) for one in schema[several]])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return union([one_type(kind, schema, definitions) for kind in kinds])


def one_type(kind: str, schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if kind == "array":
        return f"Sequence[{python_type(schema['items'], definitions)}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"Mapping[str, {python_type(values, definitions)}]" if values else "Mapping[str, Any]"
    return PYTHON[kind]


def union(types: list[str]) -> str:
    flat = dict.fromkeys(part for one in types for part in split_union(one))
    return " | ".join(sorted(flat, key="None".__eq__))


def split_union(text: str) -> list[str]:
    return re.split(r" \| (?![^\[]*\])", text)


def hint(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if name == "store":
        return "StoreOptions | TokenStore"
    if name == "auth":
        return "str | Dialect | Mapping[str, Any]"
    if name == "path" or name.endswith("_file"):
        return "str | os.PathLike[str]"
    return python_type({**schema, **one_of_not_null(schema)}, definitions)


def one_of_not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leaves null out: an option that is None is not passed on."""
    if isinstance(schema.get("type"), list):
        return {"type": [kind for kind in schema["type"] if kind != "null"]}
    if "anyOf" in schema:
        return {"anyOf": [one for one in schema["anyOf"] if one.get("type") != "null"]}
    return {}


def unit(schema: dict[str, Any]) -> str:
    words = [str(schema["x-unit"])] if "x-unit" in schema else []
    if "maximum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    if schema.get("default") is not None:
        words.append(f"default {json.dumps(schema['default'])}")
    return f" ({'; '.join(words)})" if words else ""


def comment(text: str) -> list[str]:
    lines, line = [], "    #:"
    for word in text.split():
        if len(line) + len(word) + 1 > 119:
            lines.append(line)
            line = "    #:"
        line += " " + word
    return [*lines, line]


def beginning(what: str, schema: str) -> list[str]:
    """The first lines of a module of typed dictionaries, up to its imports."""
    return [
        f'"""{what}. Generated from docs/{schema}.schema.json by generate.py; do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import TYPE_CHECKING, TypedDict",
        "",
        "if TYPE_CHECKING:",
    ]


def options(schema: dict[str, Any]) -> str:
    manager = schema["options"]
    definitions = manager.get("$defs", {})
    kinds = [kind["properties"]["type"]["const"] for kind in definitions["StoreOptions"]["oneOf"]]
    members: dict[str, tuple[set[str], list[str]]] = {}
    for kind in definitions["StoreOptions"]["oneOf"]:
        for name, member in kind["properties"].items():
            if name != "type":
                text, of = members.setdefault(name, (set(), []))
                text.add(
                    "str | os.PathLike[str]"
                    if name == "path"
                    else python_type({**member, **one_of_not_null(member)}, definitions)
                )
                of.append(kind["properties"]["type"]["const"])
    lines = [
        *beginning("The options", "options"),
        "    import os",
        "    from collections.abc import Mapping, Sequence",
        "    from typing import Any, Literal",
        "",
        "    from typing_extensions import Required",
        "",
        "    from .auth import Dialect",
        "    from .stores import TokenStore",
        "",
        "",
        "class StoreOptions(TypedDict, total=False):",
        '    """Where the token pair is kept, in a store of the library\'s own."""',
        "",
        "    type: Required[Literal[" + ", ".join(json.dumps(kind) for kind in kinds) + "]]",
    ]
    for name, (hints, of) in members.items():
        lines += comment("Of " + ", ".join(of) + ".")
        lines.append(f"    {name}: {union(sorted(hints))}")
    lines += [
        "",
        "",
        "class ManagerOptions(TypedDict, total=False):",
        '    """What a TokenManager takes by keyword; an option that is None counts as left out."""',
        "",
    ]
    for name, member in manager["properties"].items():
        lines += comment(member.get("description", "") + unit(member))
        lines.append(f"    {name}: {hint(name, member, definitions)} | None")
    return "\n".join([*lines, ""])


# ---- auth.py -------------------------------------------------------------------------------------------------------

#: The objects of a dialect, by their names in the schema, and what each is.
OBJECTS = {
    "answer": "Where things are in an answer.",
    "assertion": "A JWT that is signed anew for each request.",
    "call": "How a call carries the token.",
    "client": "An OAuth client.",
    "endpoint": "A request to the auth server.",
    "meaning": "What an answer means.",
    "dialect": "The option `auth`: what login, refresh, logout and calls look like. None removes what a preset has.",
}

#: What stands for the rest of the schema's names.
OTHERS = {
    "place": "str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]",
    "secret": "str | Mapping[str, str]",
    "fields": "Mapping[str, Any]",
    "headers": "Mapping[str, str | None]",
    "scalar": "str | float | bool",
    "statuses": "int | str | Sequence[int | str]",
}


def auth_type(schema: Any, name: str) -> str:
    """The type hint of a dialect's member."""
    if schema is True:
        return "Any"
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return OTHERS.get(name) or name.title()
    if "anyOf" in schema:
        return union([auth_type(one, name) for one in schema["anyOf"]])
    if "properties" in schema and name in OBJECTS:
        return name.title()
    if schema.get("type") == "array":
        return f"Sequence[{auth_type(schema['items'], name)}]"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"Mapping[str, {auth_type(schema['additionalProperties'], name)}]"
    return python_type(schema, {})


def auth(schema: dict[str, Any]) -> str:
    definitions = schema["$defs"]
    within = definitions["dialect"]["properties"]
    lines = [
        *beginning("Dialects, as typed dictionaries", "dialect"),
        "    from collections.abc import Mapping, Sequence",
        "    from typing import Any, Literal",
    ]
    for name, what in OBJECTS.items():
        members = (definitions.get(name) or within[name]["anyOf"][0])["properties"]
        lines += ["", "", f"class {name.title()}(TypedDict, total=False):", f'    """{what}"""', ""]
        lines += [f"    {member}: {auth_type(kind, member)}" for member, kind in members.items()]
    return "\n".join([*lines, ""])


# ---- all ------------------------------------------------------------------------------------------------------------


def generated() -> dict[Path, str]:
    header = (ROOT / "include" / "tokenmgr-ffi.h").read_text(encoding="utf-8")
    of_options, of_dialects = (
        json.loads((ROOT / "docs" / f"{name}.schema.json").read_text(encoding="utf-8"))
        for name in ("options", "dialect")
    )
    return {
        PACKAGE / "_api.py": api(header),
        PACKAGE / "_options.py": options(of_options),
        PACKAGE / "auth.py": auth(of_dialects),
    }


def main() -> int:
    stale = 0
    for path, text in generated().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{path.relative_to(ROOT)} is not current; run {Path(__file__).relative_to(ROOT)}")
            stale = 1
        else:
            path.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
