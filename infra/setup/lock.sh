#!/usr/bin/env bash
# Writes requirements.txt (what the Function App installs) and requirements-dev.txt (that and all extras)
# from pyproject.toml. Pins that still fit are kept; `--upgrade` takes the newest, `--upgrade-package NAME` one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export CUSTOM_COMPILE_COMMAND="bash infra/setup/lock.sh"
compile() {
    .venv/bin/python -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-annotate \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@" pyproject.toml
}

compile --output-file=requirements.txt "$@"
compile --all-extras --constraint=requirements.txt --output-file=requirements-dev.txt "$@"
