"""Debian's own package sources of this machine, for `build`: third-party sources are left out."""

import glob
import os
import pathlib
import re
import subprocess


def codename(root="/"):
    """The release's name (bookworm); empty when this is no Debian."""
    release = pathlib.Path(root, "etc/os-release")
    text = release.read_text() if release.exists() else ""
    found = re.search(r"^VERSION_CODENAME=(\w+)", text, re.M)
    return found[1] if found and re.search(r"^ID=debian$", text, re.M) else ""


def sources(root="/"):
    """File ending (.sources, .list) to the text of Debian's entries: its suites of this release, signed by its keyring."""
    name = codename(root)
    suites = {name + ending for ending in ("", "-updates", "-security", "/updates")} if name else set()
    texts = {".sources": "\n\n".join(stanzas(root, suites)), ".list": "\n".join(one_lines(root, suites))}
    return {ending: text for ending, text in texts.items() if text}


def stanzas(root, suites):
    for path in sorted(glob.glob(os.path.join(root, "etc/apt/sources.list.d/*.sources"))):
        for stanza in re.split(r"\n\s*\n", pathlib.Path(path).read_text()):
            stanza = "\n".join(line for line in stanza.splitlines() if not line.startswith("#")).strip()
            fields = {key.lower(): words.split() for key, words in re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.M)}
            wanted = fields.get("suites", [])
            if (wanted and set(wanted) <= suites and "deb" in fields.get("types", [])
                    and "main" in fields.get("components", []) and fields.get("enabled", ["yes"]) != ["no"]
                    and "debian-archive" in " ".join(fields.get("signed-by", ["debian-archive"]))):
                yield stanza


def one_lines(root, suites):
    folder = os.path.join(root, "etc/apt")
    for path in [os.path.join(folder, "sources.list"), *sorted(glob.glob(os.path.join(folder, "sources.list.d/*.list")))]:
        for line in pathlib.Path(path).read_text().splitlines() if os.path.exists(path) else []:
            entry = re.match(r"deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.*)$", line.split("#", 1)[0].strip())
            if not entry or entry[3] not in suites or "main" not in entry[4].split():
                continue
            signer = re.search(r"signed-by=(\S+)", entry[1] or "")
            if not signer or "debian-archive" in signer[1]:
                yield entry[0]


def proxies():
    """This machine's settings of how apt reaches a mirror, as lines of apt.conf."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], text=True, capture_output=True).stdout
    return [line for line in dump.splitlines() if re.match(r'Acquire::\w+::(Proxy|Verify|Ca|SslCert|SslKey)\S* ".+";', line)]
