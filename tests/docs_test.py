#!/usr/bin/env python3
"""README.md and docs/ say what is so. Prints `N passed, N failed`; needs ./headrace (make build), the Docker Engine and the images.

Checked: relative links; every `headrace …` line against the program's own --help; the exit codes of docs/cli.md; the stages of
docs/ci.md; that docs/blueprints.md names every field and function. Every command in a block that needs no running platform is run
against a server of the test's own, page by page; what a `console` block shows under it has to come, but for numbers, times and ids
(a line `…` stands for any lines). The examples:

  ```yaml blueprint=NAME file=PATH      all blocks of one NAME make a folder that `headrace validate` accepts,
  ```text refused=NAME                  or refuses with exactly this text (where such a block exists)
  ```eval                               lines `expression => result` for `headrace eval`
"""

import functools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
os.environ.setdefault("HEADRACE", str(ROOT / "headrace"))
from harness import Server  # noqa: E402

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", re.M)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:\$ )?(?:\./)?headrace(?: |$)")


def text_of(page):
    return page.read_text(encoding="utf-8")


def run(*arguments):
    return subprocess.run([str(ROOT / "headrace"), *arguments], capture_output=True, text=True, timeout=20)


# ---- Links ------------------------------------------------------------------------------------------

def anchors_of(page):
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text_of(page)), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links_lead_somewhere():
    for page in PAGES:
        for target in LINK.findall(FENCE.sub("", text_of(page))):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                yield f"{page.relative_to(ROOT)}: {target} does not exist"
            elif anchor and file.suffix == ".md" and anchor not in anchors_of(file):
                yield f"{page.relative_to(ROOT)}: {target}: no such heading"


# ---- Command lines ----------------------------------------------------------------------------------

@functools.cache
def help_of(*subcommand):
    """(options, fewest positionals, most positionals, nested subcommands)"""
    text = run(*subcommand, "--help").stdout
    options = {}
    for names, value in re.findall(r"^  (-[\w,-]+)( TEXT| INT)?", text, re.M):
        for name in names.split(","):
            options[name] = bool(value)
    usage = re.search(r"^Usage: (.*)$", text, re.M).group(1).split()[1 + len(subcommand):]
    usage = [word for word in usage if word not in ("[OPTIONS]", "SUBCOMMAND")]
    fewest = len([word for word in usage if not word.startswith("[")])
    most = 99 if any("..." in word for word in usage) else len(usage)
    nested = set(re.findall(r"^  ([a-z]+)  ", text.partition("Subcommands:")[2], re.M))
    return options, fewest, most, nested


def problem_of(line):
    words = [word for word in shlex.split(re.sub(r"\$\([^)]*\)", "x", line).split(" | ")[0], comments=True)]
    words = words[words.index(next(w for w in words if w.endswith("headrace"))) + 1:]
    common, _, _, top = help_of()
    path, positionals = [], 0
    while words:
        word = words.pop(0).strip("[]")
        nested = help_of(*path)[3] if path else top
        if word in ("&&", ";", ">", "<", "&"):
            break
        if word.startswith("-"):
            name, _, value = word.partition("=")
            known = {**common, **help_of(*path)[0]}
            if name not in known:
                return f"no option {name}"
            if known[name] and not value and words:
                words.pop(0)
        elif nested:
            if word.isupper():  # a placeholder: any command
                return None
            if word not in nested:
                return f"no command {' '.join([*path, word])}"
            path.append(word)
        elif word not in ("…", "..."):
            positionals += 1
    if not path:
        return None
    _, fewest, most, _ = help_of(*path)
    if positionals and not fewest <= positionals <= most:
        return f"{positionals} arguments instead of {fewest} to {most}"
    return None


def command_lines():
    for page in PAGES:
        text = text_of(page)
        lines = [line for info, body in FENCE.findall(text) for line in body.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
        for line in lines:
            for part in re.split(r"; | && ", line):
                if COMMAND.match(part.strip()):
                    yield page, part.strip()


def command_lines_are_understood():
    for page, line in command_lines():
        problem = problem_of(line)
        if problem:
            yield f"{page.relative_to(ROOT)}: {line}: {problem}"


def every_command_is_in_the_reference():
    reference = text_of(ROOT / "docs/cli.md")
    table = " ".join(re.findall(r"^\| (`[a-z`, ]+) \|", reference, re.M))
    for name in sorted(help_of()[3]):
        if not re.search(rf"^### `headrace {name}\b", reference, re.M):
            yield f"docs/cli.md has no section for headrace {name}"
        if f"`{name}`" not in table:
            yield f"docs/cli.md does not say with which exit codes headrace {name} ends"


def make_goals_exist():
    goals = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.M))
    for page in PAGES:
        for goal in re.findall(r"(?:^|`|; |\$ )make ([a-z]+)", text_of(page), re.M):
            if goal not in goals:
                yield f"{page.relative_to(ROOT)}: no `make {goal}`"


# ---- Tables that repeat what the sources say ----------------------------------------------------------

def exit_codes_are_those_of_the_source():
    source = dict(re.findall(r"^  k(\w+) = (\d+),", text_of(ROOT / "src/cli/exit_codes.h"), re.M))
    page = {name: code for code, name in re.findall(r"^\| (\d+) \| (\w+) \|", text_of(ROOT / "docs/cli.md"), re.M)}
    for name in sorted(source.keys() | page.keys()):
        if source.get(name) != page.get(name):
            yield f"exit code {name}: source {source.get(name)}, docs/cli.md {page.get(name)}"


def stages_are_those_of_make_test():
    listed = subprocess.run([sys.executable, "tools/test", "--list"], cwd=ROOT, capture_output=True, text=True).stdout
    source = dict(re.findall(r"^(\S+)\s+([\d.]+) min", listed, re.M))
    page = dict(re.findall(r"^\| `([\w-]+)` \| ([\d.]+) \|", text_of(ROOT / "docs/ci.md"), re.M))
    for name in sorted(source.keys() | page.keys()):
        if source.get(name) != page.get(name):
            yield f"stage {name}: tools/test {source.get(name)}, docs/ci.md {page.get(name)}"


def the_dialect_is_complete():
    page = text_of(ROOT / "docs/blueprints.md")
    tables = text_of(ROOT / "src/environment/blueprint_tables.cc")
    fields = re.findall(r"\.(?:optional|required|group)\(\s*\"(\w+)\"", tables)
    fields += re.findall(r"converted<[^>]*>\(\s*\"(\w+)\"", tables)
    functions = re.findall(r"\{\"\.?([a-z][\w.]*)\(", text_of(ROOT / "src/expression/functions.cc"))
    for name in sorted(set(fields)):
        if f"`{name}`" not in page:
            yield f"docs/blueprints.md does not name the field `{name}`"
    for name in sorted(set(functions)):
        if not re.search(rf"\b{re.escape(name)}\(", page):
            yield f"docs/blueprints.md does not name the function {name}()"


# ---- Commands that are run ------------------------------------------------------------------------------

# What needs the platform, another machine, an account at X or values of the reader's: run by tests/e2e/readme.py, or by nobody.
ELSEWHERE = re.compile(r"\b(demo|live|agent (un)?plug|secret set|server|make|docker)\b|[A-Z]{2,}|…")
VARIES = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:\d+[dhms])+|[\d.]+[MG]iB|\d+(?:\.\d+)*|\s+")


def shape_of(shown):
    """A pattern for what is shown in a console block."""
    shape, at = "", 0
    for match in VARIES.finditer(shown):
        text = match.group(0)
        shape += re.escape(shown[at:match.start()])
        shape += (r"\s+" if text.isspace() else r"[0-9a-f-]{36}" if "-" in text else
                  r"[0-9dhms]+" if text[-1] in "dhms" else r"[\d.]+[MG]iB" if text[-1] == "B" else r"[\d.]+")
        at = match.end()
    return (shape + re.escape(shown[at:])).replace(re.escape("…"), r"[^\0]*?")


def runs():
    """(page, command, what is shown under it or None), in the order of the pages."""
    for page in PAGES:
        for info, body in FENCE.findall(text_of(page)):
            if info == "sh":
                yield from ((page, line, None) for line in body.splitlines() if line.startswith("./headrace "))
            elif info == "console":
                for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
                    command, _, shown = part.partition("\n")
                    if command.startswith("./headrace "):
                        yield page, command, shown.strip()


def commands_that_need_no_platform_do_what_is_shown():
    server = Server()
    ran = 0
    try:
        server.start()
        for page, command, shown in runs():
            words = shlex.split(command, comments=True)[1:]
            if ELSEWHERE.search(" ".join(words)):
                continue
            ran += 1
            answer = server.cli(*words, check=False, timeout=120)
            where = f"{page.relative_to(ROOT)}: {command}"
            if answer.code:
                yield f"{where}: exit code {answer.code}: {answer.err.strip()}"
            elif shown and not re.fullmatch(shape_of(shown), answer.out.strip()):
                yield f"{where} says:\n{answer.out}instead of:\n{shown}"
        if ran < 10:
            yield f"only {ran} commands were run"
        left = server.cli("list", "--output", "json").value["environments"]
        if left:
            yield f"the pages launch and do not destroy {', '.join(each['name'] for each in left)}"
    finally:
        server.clean()


# ---- Examples -----------------------------------------------------------------------------------------

def examples():
    folders, refused = {}, {}
    for page in PAGES:
        for info, body in FENCE.findall(text_of(page)):
            values = dict(re.findall(r"(\w+)=(\S+)", info))
            if "blueprint" in values:
                folders.setdefault(values["blueprint"], {})[values["file"]] = body
            if "refused" in values:
                refused[values["refused"]] = body
    return folders, refused


def blueprint_examples_load():
    folders, refused = examples()
    if not folders:
        yield "no examples found"
    for name, files in folders.items():
        with tempfile.TemporaryDirectory() as folder:
            for path, body in files.items():
                file = pathlib.Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(body, encoding="utf-8")
            done = run("validate", folder)
            said = (done.stdout + done.stderr).replace(folder + "/", "").strip()
            if name in refused and (done.returncode != 2 or said != refused[name].strip()):
                yield f"example {name}: exit code {done.returncode}, said:\n{said}"
            if name not in refused and done.returncode != 0:
                yield f"example {name} is refused:\n{said}"
    for name in refused.keys() - folders.keys():
        yield f"no example named {name}"


def expression_examples_give_what_is_written():
    for page in PAGES:
        for info, body in FENCE.findall(text_of(page)):
            for line in body.splitlines() if info == "eval" else []:
                expression, _, result = line.rpartition(" => ")
                done = run("eval", expression.strip())
                if done.returncode or json.loads(done.stdout) != json.loads(result):
                    yield f"{page.relative_to(ROOT)}: {expression.strip()} gives {(done.stdout or done.stderr).strip()}"


def main():
    if not (ROOT / "headrace").exists():
        print("tests/docs_test.py: there is no ./headrace: make build", file=sys.stderr)
        return 2
    passed = failed = 0
    for check in (links_lead_somewhere, command_lines_are_understood, every_command_is_in_the_reference, make_goals_exist,
                  commands_that_need_no_platform_do_what_is_shown, exit_codes_are_those_of_the_source, stages_are_those_of_make_test, the_dialect_is_complete,
                  blueprint_examples_load, expression_examples_give_what_is_written):
        problems = list(check())
        passed += not problems
        failed += bool(problems)
        print(f"{'NO' if problems else 'ok'}  {check.__name__.replace('_', ' ')}")
        for problem in problems:
            print("    " + problem.replace("\n", "\n    "))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
