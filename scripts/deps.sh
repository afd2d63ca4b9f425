#!/bin/sh
# Installs what the tests need beyond Go: the npm packages, and as root on
# Debian chromium and a few tools. Elsewhere it says in one line what to
# install; in CI that is a failure, so that no test is skipped unseen.
set -eu
cd "$(dirname "$0")/.."
missing() {
	echo "$1"
	[ "${CI:-}" != true ]
}
if command -v npm >/dev/null 2>&1; then
	if [ ! -d webui/node_modules/axe-core ] || [ webui/package-lock.json -nt webui/node_modules/.package-lock.json ]; then
		(cd webui && npm ci --ignore-scripts --no-audit --no-fund --silent)
	fi
	sh scripts/ui.sh
else
	missing "the browser tests need npm: apt-get install npm" || exit 1
fi
if ! command -v chromium >/dev/null 2>&1; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
	else
		missing "the browser tests need chromium: sudo apt-get install chromium" || exit 1
	fi
fi
# dig asks the hub's name over the wires of a network of namespaces (ip),
# mkfs.ext4 makes the disks that the power is cut of, openssl looks at the hub's
# certificates, and certutil gives chromium the one to trust.
for need in dig:bind9-dnsutils ip:iproute2 mkfs.ext4:e2fsprogs openssl:openssl certutil:libnss3-tools; do
	command -v "${need%%:*}" >/dev/null 2>&1 && continue
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need##*:}" >/dev/null
	else
		missing "some tests need ${need%%:*}: sudo apt-get install ${need##*:}" || exit 1
	fi
done
if ! command -v gcc >/dev/null 2>&1; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
	else
		missing "the race detector needs gcc: sudo apt-get install gcc" || exit 1
	fi
fi
# Crash images need mkfs.ext4, but also root: others skip them with a reason.
if [ "$(id -u)" = 0 ] && ! command -v mkfs.ext4 >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends e2fsprogs >/dev/null
fi
