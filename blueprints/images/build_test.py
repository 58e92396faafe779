"""Tests of the image build's decisions, without a Docker Engine: python3 blueprints/images/build_test.py"""

import fcntl
import importlib.machinery
import importlib.util
import os
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
import debian  # noqa: E402

loader = importlib.machinery.SourceFileLoader("build", str(HERE / "build"))
build = importlib.util.module_from_spec(importlib.util.spec_from_loader("build", loader))
loader.exec_module(build)


class Repository(unittest.TestCase):
    """A small repository: base, jvm-base on it, and kafka on that."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        build.ROOT = pathlib.Path(self.folder.name)
        build.BUILD = build.ROOT / "build"
        build.WORK = build.BUILD / "images"
        build.own_sources = lambda: {".list": "deb mirror bookworm main"}
        self.write("blueprints/images/base/packages", "tini  # init\n\n")
        self.write("blueprints/images/jvm-base/packages", "jre\n")
        self.write("blueprints/isp/images/prefix", "i")
        self.write("blueprints/isp/images/kafka/Dockerfile", "ARG BASE\nFROM ${BASE}\n")
        self.write("blueprints/isp/images/kafka/base", "jvm-base\n")
        self.write("blueprints/isp/images/kafka/inputs", "apps/**/*.java\n!apps/**/*Test.java\nbuild/program\n")
        self.write("apps/a/Main.java", "main")
        self.write("apps/a/MainTest.java", "test")
        self.write("build/program", "binary")

    def write(self, path, text):
        path = build.ROOT / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def images(self):
        return {image.name: image for image in build.find_images()}

    def hash(self, name="i-kafka"):
        return self.images()[name].hash

    def test_images_are_named_by_their_blueprint_and_stand_on_their_base(self):
        images = self.images()
        self.assertEqual(sorted(images), ["base", "i-kafka", "jvm-base"])
        self.assertIs(images["i-kafka"].base, images["jvm-base"])
        self.assertIs(images["jvm-base"].base, images["base"])
        self.assertEqual(images["base"].packages, ["tini"])
        self.assertTrue(images["i-kafka"].tag.startswith("headrace/i-kafka:"))

    def test_the_hash_follows_every_input_and_nothing_else(self):
        seen = {self.hash()}
        for path in ("apps/a/Main.java", "apps/b/More.java", "build/program", "blueprints/isp/images/kafka/Dockerfile",
                     "blueprints/images/base/packages", "blueprints/isp/images/kafka/bin/broker"):
            self.write(path, "changed")
            seen.add(self.hash())
        os.chmod(build.ROOT / "blueprints/isp/images/kafka/bin/broker", 0o755)
        seen.add(self.hash())
        self.assertEqual(len(seen), 8)
        for path in ("apps/a/MainTest.java", "blueprints/isp/images/kafka/.swap", "blueprints/isp/images/kafka/x_test.py"):
            self.write(path, "changed")
            self.assertIn(self.hash(), seen)

    def test_an_input_that_does_not_exist_is_named_with_the_remedy(self):
        (build.ROOT / "build/program").unlink()
        with self.assertRaises(build.Failure) as caught:
            self.hash()
        self.assertIn("build/program", caught.exception.what)
        self.assertIn("build it first", caught.exception.remedy)

    def test_an_unknown_base_and_a_circle_are_refused(self):
        self.write("blueprints/isp/images/kafka/base", "nothing")
        with self.assertRaisesRegex(build.Failure, "stands on `nothing`"):
            self.images()
        self.write("blueprints/isp/images/kafka/base", "other")
        self.write("blueprints/isp/images/other/Dockerfile", "FROM x")
        self.write("blueprints/isp/images/other/base", "kafka")
        with self.assertRaisesRegex(build.Failure, "stands on itself"):
            self.images()

    def test_what_another_build_has_made_meanwhile_is_not_built_again(self):
        images = list(self.images().values())
        made, lock = [], build.WORK / "lock"
        build.WORK.mkdir(parents=True)
        build.stage_of = lambda image: None
        build.build = lambda image, staged, base_ready: made.append(image.name)
        # The other build holds the lock and ends once this one is seen to wait, with all but kafka there.
        other = open(lock, "w")
        fcntl.flock(other, fcntl.LOCK_EX)
        build.say = lambda text: other.close()
        build.present_tags = lambda asked: {image.tag: "id" for image in asked if image.name != "i-kafka"}
        failures = []
        build.build_all(images, images, failures)
        self.assertEqual((made, failures), (["i-kafka"], []))

    def test_natives_of_foreign_systems_are_left_out(self):
        for name in ("netty-transport-native-epoll-4.2.13-linux-aarch_64.jar", "netty-kqueue-4.1-osx-x86_64.jar",
                     "netty-tcnative-2.0-windows-x86_64.jar"):
            self.assertRegex(name, build.FOREIGN)
        for name in ("netty-transport-native-epoll-4.2.13-linux-x86_64.jar", "log4j-core-2.25.4.jar"):
            self.assertNotRegex(name, build.FOREIGN)


class Sources(unittest.TestCase):
    def machine(self, files):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for path, text in {"etc/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n", **files}.items():
            path = pathlib.Path(folder.name, path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder.name

    def test_only_debians_own_stanzas_are_taken(self):
        own = "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main\n" \
              "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
        found = debian.sources(self.machine({
            "etc/apt/sources.list.d/debian.sources": "# comment\n" + own + "\n\n" + own.replace("bookworm", "trixie"),
            "etc/apt/sources.list.d/node.sources": own.replace("bookworm bookworm-updates", "nodistro"),
            "etc/apt/sources.list.d/x.sources": own.replace("debian-archive-keyring", "vendor")}))
        self.assertEqual(found, {".sources": own})

    def test_the_one_line_form_is_taken_too(self):
        found = debian.sources(self.machine({
            "etc/apt/sources.list": "deb http://mirror/debian bookworm main contrib # main mirror\n"
                                    "deb-src http://mirror/debian bookworm main\n",
            "etc/apt/sources.list.d/a.list": "deb [signed-by=/etc/vendor.gpg] http://vendor bookworm main\n"
                                             "deb [arch=amd64] http://mirror/security bookworm-security main\n"
                                             "deb http://vendor bookworm stable\n"}))
        self.assertEqual(found, {".list": "deb http://mirror/debian bookworm main contrib\n"
                                          "deb [arch=amd64] http://mirror/security bookworm-security main"})

    def test_another_system_has_none(self):
        self.assertEqual(debian.sources(self.machine({"etc/os-release": "ID=ubuntu\nVERSION_CODENAME=jammy\n"})), {})


if __name__ == "__main__":
    unittest.main()
