"""The README says what holds: its protocol section is generated from `hdl.wire`.

python -m tests.test_readme      writes the section again
"""

import inspect
import re
from enum import IntEnum
from pathlib import Path

from hdl.wire import control, event, lane, registers, ufo, verdict
from hdl.wire.format import Format

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- from hdl.wire: begin -->\n", "<!-- from hdl.wire: end -->\n"


def summary(thing) -> str:
    """The first sentence of a docstring, which is what a table needs of it."""
    return " ".join(inspect.getdoc(thing).split("\n\n")[0].split())


def numbers(kind: type[IntEnum], form: str) -> list[str]:
    """A table of an enumeration: numbers, names, and the comment that stands beside each in the source, if any does."""
    notes = dict(re.findall(r"^    (\w+) = \S.*?(?:  # (.*))?$", inspect.getsource(kind), re.MULTILINE))
    lines = [f"**{kind.__name__}**. {summary(kind)}", ""]
    if not any(notes.values()):
        return [*lines, ", ".join(f"{member:{form}} {member.name}" for member in kind) + ".", ""]
    rows = [f"| {member:{form}} | {member.name} | {notes[member.name].replace('|', '/')} |" for member in kind]
    return [*lines, "| number | name | |", "|---|---|---|", *rows, ""]


def layout(form: Format) -> list[str]:
    """The fields of a format with their octets, in order and without gaps."""
    fields = ", ".join(f"{field.name} {field.size}" for field in form)
    return [f"**{form.name}**, {form.order}-endian, {form.size} octets: {fields}.", ""]


def protocol() -> str:
    """The protocol section, without its markers."""
    lines = ["### Control link", "", inspect.getdoc(control), "", *layout(control.HEADER)]
    lines += [*numbers(control.Op, "d"), *numbers(control.Status, "d"), *numbers(verdict.Refusal, "d")]
    lines += ["### Registers", "", inspect.getdoc(registers), "", *numbers(registers.Reg, "#06x")]
    lines += [*numbers(registers.Count, "d"), *layout(lane.LANE_KEY)]
    lines += [
        "### Events",
        "",
        inspect.getdoc(event),
        "",
        *layout(event.EVENT),
        *numbers(event.Kind, "d"),
        *numbers(event.Loss, "d"),
        *numbers(event.Contradiction, "d"),
    ]
    lines += ["### Reasons and sources", "", *numbers(verdict.Reason, "d"), *numbers(verdict.Trip, "d")]
    lines += numbers(verdict.Source, "d")
    lines += ["### Order path", "", summary(ufo), "", *numbers(ufo.Packet, "#04x")]
    return "\n".join(lines)


def test_the_protocol_section_is_what_hdl_wire_declares():
    section = README.read_text().partition(BEGIN)[2].partition(END)[0]
    assert section == protocol(), "run `python -m tests.test_readme`"


def test_every_control_names_a_test_that_is_there_and_every_check_is_a_control():
    table = README.read_text().partition("## Controls")[2].partition("## ")[0]
    for path, name in re.findall(r"(tests/\w+\.py)::(\w+)", table):
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name
    named = set(re.findall(r"\b[A-Z][A-Z_]{2,}\b", table))
    trips = {reason.name for reason in verdict.Reason if verdict.FIRST_TRIP <= reason <= verdict.LAST_TRIP}
    assert trips - named == {"BLOCKED", "SIDE"}


def test_the_two_commands_come_first():
    commands = re.findall(r"^    (.*)$", README.read_text(), re.MULTILINE)
    assert [command.split("  ")[0] for command in commands[:2]] == ["make demo", "make test"]


def test_every_make_target_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        named = set(re.findall(r"`make ([a-z]+)", (ROOT / document).read_text()))
        assert named <= targets, document


def test_every_target_has_a_line_of_help():
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: help (.*)$", makefile, re.MULTILINE)
    assert re.findall(r"^([a-z]+):.* ## \S", makefile, re.MULTILINE) == phony.split()


if __name__ == "__main__":
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(before + BEGIN + protocol() + END + rest.partition(END)[2])
