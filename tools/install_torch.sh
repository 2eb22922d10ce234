#!/usr/bin/env bash
# Install the CPU build of torch where a GPU build would be gigabytes of unused libraries: on Linux without an NVIDIA
# driver. Elsewhere PyPI's build is right and comes with the other packages.
# usage: tools/install_torch.sh PYTHON
set -euo pipefail
python=$1
cd "$(dirname "$0")/.."

if [ "$(uname -s)" != Linux ] || command -v nvidia-smi >/dev/null; then
  exit 0
fi
install=("$python" -m pip install --quiet --no-deps -c constraints.txt torch)
"${install[@]}" --no-index 2>/dev/null ||  # a wheel in a folder that pip is configured to look into
  "${install[@]}" --index-url "$TORCH_CPU_INDEX" ||
  echo "no CPU build of torch could be had: taking PyPI's, which is larger" >&2
