#!/usr/bin/env bash
# Has the named commands installed from the system's packages: PACKAGE=COMMAND, …
# As root on Debian it installs what is missing; otherwise it prints the command and stops.
set -euo pipefail

missing=()
for pair in "$@"; do
  command -v "${pair#*=}" >/dev/null 2>&1 || missing+=("${pair%%=*}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
else
  echo "These system packages are needed. Install them, then run this again:" >&2
  echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
