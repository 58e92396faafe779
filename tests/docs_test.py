#!/usr/bin/env python3
"""README.md and docs/ say what is so. Prints `N passed, N failed`; needs ./headrace (make build), no server.

Checked: relative links; every `headrace …` line against the program's own --help; the exit codes of docs/cli.md; the stages of
docs/ci.md; that docs/blueprints.md names every field and function; its examples:

  ```yaml blueprint=NAME file=PATH      all blocks of one NAME make a folder that `headrace validate` accepts,
  ```text refused=NAME                  or refuses with exactly this text (where such a block exists)
  ```eval                               lines `expression => result` for `headrace eval`
"""

import functools
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
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
    for name in sorted(help_of()[3]):
        if not re.search(rf"^### `headrace {name}\b", reference, re.M):
            yield f"docs/cli.md has no section for headrace {name}"


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
                  exit_codes_are_those_of_the_source, stages_are_those_of_make_test, the_dialect_is_complete,
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
