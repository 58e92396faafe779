# make up     install what is missing, build, start Headrace, launch the platform
# make down   remove what `make up` started; DATA=1: its data too
# make test   install what is missing, build, run every test; ends with `N passed, N failed`
# make bench  the figures of docs/figures.md;  make soak: many simulated worlds;  make parts: every image and application by itself
# make build  only the programs;  make images: only the container images;  make format
# Variables: AGENTS (virtual machines, default 1), PROFILE (default laptop), NAME (default demo), DATA=1
AGENTS ?= 1
PROFILE ?= laptop
NAME ?= demo
export AGENTS PROFILE NAME DATA
.DEFAULT_GOAL := help
.PHONY: help up down test bench soak parts browser build images format conformance

help:
	@sed -n 's/^# \{0,1\}//;1,6p' Makefile

up:
	@tools/up
down:
	@tools/down
test:
	@tools/install build docker platform test
	@python3 tools/test
bench: images
	@tools/install test
	@python3 tools/bench
soak:
	@tools/install build
	@tools/build sanitize headrace-sim && build/sanitize/headrace-sim --seed $${SEED:-1} --runs $${RUNS:-5000}
browser: images
	@tools/install test
	@python3 tests/e2e/platform.py --browser
parts: images
	@tools/install test
	@tools/build release tweet_source_test
	@blueprints/in-stream-processing/images/test
	@blueprints/in-stream-processing/apps/sentiment/integration-test
	@blueprints/in-stream-processing/apps/tweet-source/kafka-test
build:
	@tools/install build
	@tools/build release headrace
	@ln -sf build/release/headrace headrace
images: build
	@tools/install docker platform
	@tools/dockerd
	@tools/build release programs
	@blueprints/images/build
conformance:
	@tools/install build
	@tests/cel-conformance
format:
	@git ls-files 'src/*.cc' 'src/*.h' 'blueprints/*.cc' 'blueprints/*.h' | xargs clang-format-19 -i
