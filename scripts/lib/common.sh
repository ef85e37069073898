# What the scripts share: packages, Node.js, npm modules, the build. Sourced by bash.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}
# A wrong command line.
usage_error() {
  printf '%s: %s (--help tells more)\n' "$(basename "$0")" "$*" >&2
  exit 2
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -n "$@" || die "needs root to install packages; run once as root: $*"
  else
    die "needs root to install packages; run once as root: $*"
  fi
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
  step "Installing $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# need_packages FILE...: installs what is missing of the packages that the files list.
need_packages() {
  command -v dpkg-query >/dev/null || die "this is not Debian; install what $* list(s) by hand"
  local name missing=()
  while read -r name; do
    is_installed "$name" || missing+=("$name")
  done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@")
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

node_major() {
  node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p'
}

# Node.js 18 or newer, as Debian 12 has it. Other sources' packages are left alone.
need_node() {
  local major
  major="$(node_major)"
  if [ "${major:-0}" -lt 18 ]; then install_packages nodejs npm; fi
  command -v npm >/dev/null || install_packages npm
  major="$(node_major)"
  [ "${major:-0}" -ge 18 ] || die "Node.js 18 or newer is needed; $(command -v node) is older"
  # Later releases have it without asking; the contact's client needs it.
  if [ "$major" -lt 20 ]; then export NODE_OPTIONS="${NODE_OPTIONS:-} --experimental-global-webcrypto"; fi
}

# need_modules FOLDER: its npm modules, as its lock file says. None of their install scripts is run.
need_modules() {
  local folder="$root/$1" stamp="$root/$1/node_modules/.waslo-lock"
  if cmp -s "$folder/package-lock.json" "$stamp"; then return; fi
  step "Installing the npm modules of $1"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund) || die "npm could not install the modules"
  cp "$folder/package-lock.json" "$stamp"
}

# build PRESET TARGET...: configures once, then builds; ninja shows how far it is.
build() {
  local preset="$1"
  shift
  step "Building ($preset, in build/$preset)"
  (cd "$root" && cmake --preset "$preset" >"$root/build/$preset.configure.log" 2>&1) || {
    cat "$root/build/$preset.configure.log" >&2
    die "the build could not be configured"
  }
  cmake --build "$root/build/$preset" ${1:+--target "$@"} || die "the build failed"
}
mkdir -p "$root/build"
