#!/usr/bin/env bash
# Installs torch for processors alone: tools/install_torch.sh PYTHON
# It comes before everything that needs it and outside the hash locks: which build pip is offered
# differs from machine to machine, and the one with CUDA is several GB that nothing here uses.
set -euo pipefail
python=$1
version=2.13.0

if "$python" -c "import importlib.metadata as m, sys; sys.exit(m.version('torch').split('+')[0] != '$version')" 2>/dev/null; then
  exit 0
fi
echo "Installing torch $version for processors …"
if "$python" -m pip install --quiet --no-compile --no-deps "torch==$version+cpu" 2>/dev/null; then
  exit 0
fi
if [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ]; then
  echo "pip is not offered a build of torch for processors alone, so the one with CUDA comes, several GB."
  echo "To avoid it, let pip look at PyTorch's own packages for CPU (see docs/operating/finetuning.md)."
  "$python" -m pip install --quiet --no-compile "torch==$version"
else
  "$python" -m pip install --quiet --no-compile --no-deps "torch==$version"
fi
