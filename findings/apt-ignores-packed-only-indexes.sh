#!/bin/sh
# Finding: apt silently ignores the indexes of a suite whose Release file lists them in packed forms only.
#
# If the Release file lists main/binary-ARCH/Packages.xz and not main/binary-ARCH/Packages, `apt-get update` fetches no
# index, prints no warning and exits 0: libapt looks for the unpacked name, does not find it, and takes the suite for one
# that has no packages of a supported architecture yet (pkgAcqMetaBase::QueueIndexes). A machine then misses every update
# of this suite. The repository format asks for the unpacked checksum, so the repository is at fault; the silence is not
# described.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing):
#     packed only: exit 0, 0 indexes; with the unpacked name: exit 0, 1 index
#
# Works in a temporary folder, without a network; changes nothing of the machine. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
architecture=$(dpkg --print-architecture)
index="main/binary-$architecture/Packages"
mkdir -p etc/apt.conf.d etc/preferences.d etc/sources.list.d state/lists/partial cache/archives/partial
mkdir -p "archive/dists/stable/main/binary-$architecture"
: >state/status
echo "deb [trusted=yes arch=$architecture] file:$work/archive stable main" >etc/sources.list
cat >apt.conf <<CONF
Dir::Etc "$work/etc";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
CONF
printf 'Package: a\nVersion: 1\nArchitecture: all\nFilename: a.deb\nSize: 1\n\n' >"archive/dists/stable/$index"
gzip -kn "archive/dists/stable/$index"

publish() { # the names to list
    printf 'Suite: stable\nArchitectures: %s\nComponents: main\nSHA256:\n' "$architecture"
    for name; do
        file="archive/dists/stable/$name"
        printf ' %s %s %s\n' "$(sha256sum <"$file" | cut -d ' ' -f 1)" "$(stat -c %s "$file")" "$name"
    done
}

update() {
    updated=0
    APT_CONFIG="$work/apt.conf" apt-get -q update >output 2>&1 || updated=$?
    found=$(find state/lists -name '*_Packages*' | wc -l)
    grep -E '^[WE]: .*Packages' output && return 1
    return 0
}

apt-get --version | head -n 1
publish "$index.gz" >archive/dists/stable/Release
update
packed="$updated $found"
rm -rf state/lists
mkdir -p state/lists/partial
publish "$index" "$index.gz" >archive/dists/stable/Release
update
both="$updated $found"
echo "packed only: exit ${packed% *}, ${packed#* } indexes; with the unpacked name: exit ${both% *}, ${both#* } index"
[ "$packed" = "0 0" ] && [ "$both" = "0 1" ]
