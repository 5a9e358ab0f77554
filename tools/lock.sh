#!/usr/bin/env bash
# Writes the hash locks from pyproject.toml, for every platform, without any index's address.
set -euo pipefail
cd "$(dirname "$0")/.."

options=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
  --no-emit-find-links --no-annotate --no-header --upgrade)
uv pip compile pyproject.toml --group build "${options[@]}" --output-file requirements.lock
uv pip compile pyproject.toml --group build --group dev --constraint requirements.lock \
  "${options[@]}" --output-file requirements-dev.lock
uv pip compile pyproject.toml --group build --extra tour --constraint requirements.lock \
  "${options[@]}" --output-file requirements-tour.lock
# torch is installed apart (tools/install_torch.sh), so it is taken out here; what it needs stays.
uv pip compile pyproject.toml --group build --extra finetuning - --constraint requirements-dev.lock \
  --override <(echo "torch ; sys_platform == 'none'") "${options[@]}" \
  --output-file requirements-finetuning.lock <<<$'filelock\nfsspec\njinja2\nnetworkx\nsympy'
# Clients as their authors ship them, for tests/interoperability: in sets, since they want different
# releases of the official SDK and of much else.
for name in clients litellm llamaindex; do
  uv pip compile "tests/interoperability/clients/requirements-$name.txt" \
    "${options[@]}" --output-file "requirements-$name.lock"
done
