"""Write what the contracts of the Explorer and of the study's widget say in TypeScript, and as tables in the docs.

``python js/generate_protocol.py`` writes them; with ``--check`` it only fails where one of them is stale.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from strace_widgets.explorer import (
    choices_contract,
    contract,
    groups_contract,
    inside_contract,
    jumps_contract,
    questions,
    refined_contract,
    status_contract,
    targets_contract,
)
from strace_widgets.study_explorer import contract as study_contract

ROOT = Path(__file__).parent.parent
TYPES = ROOT / "js/src/protocol/types.ts"
QUESTIONS = ROOT / "js/src/protocol/questions.ts"
STUDY = ROOT / "js/src/protocol/study.ts"
PAGE = ROOT / "docs/explorer-state.md"
AGAIN = "python js/generate_protocol.py"
WIDTH = 140

SCALARS = {str: "string", int: "number", float: "number", bool: "boolean", NoneType: "null"} | {
    bytes: "DataView | ArrayBuffer | Uint8Array"  # as a comm or a file hands them over
}
TYPED_ARRAYS = {"int32": "Int32Array", "float32": "Float32Array", "uint8": "Uint8Array"}
ON_THE_WIRE = {"ViewState": "EncodedViewState", "Arrays": "EncodedArrays"}
"""What has another form once the browser has decoded it; the plain name is that form's."""

HEADING = f"""// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `{AGAIN}`: change it there.
"""
QUESTIONS_HEADING = f"""// What the browser asks and Python answers. Made from strace_widgets/explorer/questions.py by
// `{AGAIN}`: change it there.
import type {{ Settings, Toggles }} from "./types";
"""
STUDY_HEADING = f"""// What Python and the browser say to each other of a study. Made from
// strace_widgets/study_explorer/contract.py by `{AGAIN}`: change it there.
import type {{ EncodedArray, ExplorerState }} from "./types";
"""

ENCODED = "\nexport type EncodedArrays = { [name in keyof Arrays]: EncodedArray };\n"
DECODED = """
/** The same with its bytes decoded. */
export interface ViewState extends Omit<EncodedViewState, "arrays"> {
  arrays: Arrays;
}
"""


ABOUT_DEFAULTS = "The traits before there is a trace, and those of a page without a kernel that nothing was tried in."
PYTHON_S_OWN = ("DerivedState", "LinkedToken")
"""What the browser does not read."""


class Field(NamedTuple):
    """One field of a type: its name, type, whether it may be absent, and what the contract says of it."""

    name: str
    hint: Any
    optional: bool
    notes: tuple[str, ...]

    @property
    def about(self) -> str:
        """The description."""
        return self.notes[-1]


PARTS = {
    "choices": choices_contract,
    "groups": groups_contract,
    "inside": inside_contract,
    "jumps": jumps_contract,
    "refined": refined_contract,
    "status": status_contract,
    "targets": targets_contract,
}
"""Parts of the contract, by the file that each becomes."""
READ = {
    "Choices": "choices",
    "Group": "groups",
    "Inside": "inside",
    "Jump": "jumps",
    "Refined": "refined",
    "Status": "status",
    "Asked, Faithful, Question": "targets",
}
"""What the state has of them."""
MODULES = (*PARTS.values(), contract, questions, study_contract)
CLASSES: dict[str, Any] = {
    name: value for module in MODULES for name, value in vars(module).items() if is_typeddict(value)
}
ALIASES: dict[str, Any] = {
    name: value for name, value in vars(contract).items() if get_origin(value) in (Literal, dict, list)
}
ELSEWHERE = {name for part in PARTS.values() for name in vars(part)} - {
    "Annotated",
    "Literal",
    "NotRequired",
    "TypedDict",
}
"""What is in the files of the parts."""
BASES = {
    node.name: [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in CLASSES]
    for module in MODULES
    for node in ast.parse(inspect.getsource(module)).body
    if isinstance(node, ast.ClassDef)
}


def fields(name: str) -> list[Field]:
    """Return the fields that a type has beside those of its bases."""
    hints = get_type_hints(CLASSES[name], include_extras=True)
    inherited = {field for base in BASES[name] for field in get_type_hints(CLASSES[base])}
    found = []
    for field, given in hints.items():
        optional = get_origin(given) is NotRequired
        hint = get_args(given)[0] if optional else given
        if get_origin(hint) is not Annotated:
            raise TypeError(f"{name}.{field} has no description: write Annotated[type, 'description'].")
        if field not in inherited:
            found.append(Field(field, get_args(hint)[0], optional, hint.__metadata__))
    return found


def written_name(field: Field) -> str:
    """Return a field's name, with a question mark where it may be absent."""
    return f"{field.name}{'?' if field.optional else ''}"


def typescript(hint: Any, *, aliased: bool = True) -> str:
    """Return a type as TypeScript has it."""
    if aliased:
        for name, value in ALIASES.items():
            if value == hint:
                return name
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Literal, UnionType):
        texts = (json.dumps(each, allow_nan=False) if origin is Literal else typescript(each) for each in arguments)
        return " | ".join(texts)
    if origin is dict:
        return f"Readonly<Record<{', '.join(map(typescript, arguments))}>>"
    if origin is list:
        element = typescript(arguments[0])
        return f"({element})[]" if "|" in element else f"{element}[]"
    return SCALARS.get(hint) or ON_THE_WIRE.get(hint.__name__, hint.__name__)


def comment(text: str, indent: str = "") -> str:
    """Return a text as a comment above what it is about."""
    text = " ".join(text.split())
    if len(indent + text) + 7 <= WIDTH:
        return f"{indent}/** {text} */"
    lines = textwrap.wrap(text, WIDTH - len(indent) - 3)
    return "\n".join([f"{indent}/**", *(f"{indent} * {line}" for line in lines), f"{indent} */"])


def sentence(text: str) -> str:
    """Return a description with a capital and a full stop."""
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def block(about: str, opening: str, members: list[tuple[str, str]]) -> str:
    """Return a declaration with a comment over it and over each of its members."""
    lines = [f"{comment(text, '  ')}\n  {member};" if text else f"  {member};" for text, member in members]
    return "\n".join([comment(about), f"{opening} {{", *lines, "}\n"])


def interface(name: str) -> str:
    """Return one type as TypeScript."""
    about, own, bases = inspect.getdoc(CLASSES[name]) or "", fields(name), BASES[name]
    if name == "Arrays":
        arrays = [
            (f"{f.notes[0]}: {f.about}.", f"{written_name(f)}: {TYPED_ARRAYS[f.notes[0].split()[0]]}") for f in own
        ]
        return block(about, "export interface Arrays", arrays) + ENCODED
    if not own and not bases:
        return f"{comment(about)}\nexport type {name} = object;\n"
    extends = f" extends {', '.join(bases)}" if bases else ""
    members = [(sentence(f.about), f"{written_name(f)}: {typescript(f.hint)}") for f in own]
    written = block(about, f"export interface {ON_THE_WIRE.get(name, name)}{extends}", members)
    return written + DECODED if name == "ViewState" else written


def literal(value: Any) -> str:
    """Return plain data as TypeScript."""
    if isinstance(value, dict) and value:
        inner = ", ".join(f"{key}: {literal(each)}" for key, each in value.items())
        return f"{{ {inner} }}"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def aliases(names: list[str]) -> str:
    """Return the names of short types as TypeScript."""
    return "".join(f"export type {name} = {typescript(ALIASES[name], aliased=False)};\n" for name in names)


def types() -> str:
    """Return the whole of ``types.ts``."""
    defaults = "".join(f"  {name}: {literal(value)},\n" for name, value in contract.DEFAULTS.items())
    own = [name for name in CLASSES if name in vars(contract) and name not in {*PYTHON_S_OWN, *ELSEWHERE}]
    return "\n".join(
        [
            HEADING,
            "".join(f'export type * from "./{name}";\n' for name in PARTS)
            + "".join(f'import type {{ {names} }} from "./{file}";\n' for names, file in READ.items()),
            f"export const version = {contract.VERSION};\n",
            aliases([name for name in ALIASES if name not in ELSEWHERE]),
            *(interface(name) for name in own),
            f"{comment(ABOUT_DEFAULTS)}\nexport const defaults: ExplorerState = {{\n{defaults}}};\n",
        ]
    )


def part(module: ModuleType, heading: str = HEADING) -> str:
    """Return the whole of a part's file."""
    short = aliases([name for name in ALIASES if name in vars(module)])
    own = [name for name in CLASSES if name in vars(module) and CLASSES[name].__module__ == module.__name__]
    return "\n".join([heading, *([short] if short else []), *map(interface, own)])


def messages() -> str:
    """Return the whole of ``questions.ts``."""
    asked = [(sentence(m.about), f"{kind}: {m.question.__name__}") for kind, m in questions.MESSAGES.items()]
    answers = [("", f"{kind}: {m.answer.__name__}") for kind, m in questions.MESSAGES.items()]
    return "\n".join(
        [
            QUESTIONS_HEADING,
            *(interface(name) for name in CLASSES if name not in vars(contract) and name not in vars(study_contract)),
            block("What is asked of Python by a message, by its kind.", "export interface Questions", asked),
            block("What Python answers.", "export interface Answers", answers),
        ]
    )


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def named(hint: Any) -> str:
    """Return a type for a table, in which "|" would end a cell."""
    plain = {wire: name for name, wire in ON_THE_WIRE.items()}
    text = typescript(hint)
    listed = "list of " if text.endswith(")[]") else ""
    kinds = text.removeprefix("(").removesuffix(")[]").split(" | ") if listed else text.split(" | ")
    return listed + " or ".join(f"`{plain.get(each, each)}`" for each in kinds)


def fields_table(name: str) -> str:
    """Return the fields of a type as a table."""
    own = fields(name)
    if name in ("ExplorerState", "DerivedState"):
        rows = [[f"`{f.name}`", named(f.hint), f.notes[0], f.about] for f in own]
        return table(["trait", "type", "written by", "content"], rows)
    if name == "Arrays":
        return table(["array", "type", "content"], [[f"`{written_name(f)}`", f.notes[0], f.about] for f in own])
    rows = [[f"`{written_name(f)}`", named(f.hint), f.about] for f in own]
    bases = f" (and the fields of {' and '.join(f'`{base}`' for base in BASES[name])})" if BASES[name] else ""
    about = (inspect.getdoc(CLASSES[name]) or "").removesuffix(".")
    return f"`{name}`{bases}: {about[0].lower() + about[1:]}.\n\n" + table(["field", "type", "content"], rows)


def messages_table() -> str:
    """Return the messages and their answers as a table."""

    def inline(name: str) -> str:
        parts = [f"{written_name(f)}: {typescript(f.hint)}" for f in fields(name)]
        return f"`{{{', '.join(parts)}}}`" if parts else "nothing"

    rows = [
        [f"`{kind}`", inline(m.question.__name__), inline(m.answer.__name__), m.about]
        for kind, m in questions.MESSAGES.items()
    ]
    return table(["kind", "asks with", "is answered with", "what it does"], rows)


def page(text: str) -> str:
    """Return the page with its tables made anew, each between ``<!-- contract: NAME -->`` and ``<!-- end -->``."""

    def made_anew(match: re.Match[str]) -> str:
        name = match[1]
        content = messages_table() if name == "messages" else fields_table(name)
        return f"<!-- contract: {name} -->\n{content}\n<!-- end -->"

    return re.sub(r"<!-- contract: (\w+) -->\n.*?<!-- end -->", made_anew, text, flags=re.DOTALL)


def made() -> dict[Path, str]:
    """Return the files as they should be."""
    parts = {TYPES.with_name(f"{name}.ts"): part(module) for name, module in PARTS.items()}
    return {
        TYPES: types(),
        **parts,
        QUESTIONS: messages(),
        STUDY: part(study_contract, STUDY_HEADING),
        PAGE: page(PAGE.read_text(encoding="utf-8")),
    }


def stale() -> list[Path]:
    """Return which of the files are not what the contract says."""
    return [file for file, text in made().items() if not file.exists() or file.read_text(encoding="utf-8") != text]


def main() -> None:
    """Write the files, or say which of them are stale."""
    if "--check" in sys.argv[1:]:
        old = [str(file.relative_to(ROOT)) for file in stale()]
        if old:
            sys.exit(f"{' and '.join(old)} are not what the contract in strace_widgets/explorer says: run `{AGAIN}`.")
        return
    for file, text in made().items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
