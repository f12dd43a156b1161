#!/bin/sh
# Finding: from six archives on, dpkg's errors name a temporary link, and DPkg::Install::Recursive=false is overwritten.
#
# libapt then gives dpkg a folder of numbered links instead of the archives. dpkg's messages name the links, in a folder
# that is gone when apt ends: `5-f_1_all.deb`, not /var/cache/apt/archives/f_1_all.deb. So a program that finds the faulty
# archive by the path in the message works for five packages and not for six. The option that names the behaviour does not
# turn it off: libapt sets it to true again wherever dpkg is an installed package (pkgDPkgPM::Go). A high
# DPkg::Install::Recursive::Minimum does.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing):
#     five archives: f_1_all.deb
#     six archives: 5-f_1_all.deb
#     six archives, Recursive=false: 5-f_1_all.deb
#     six archives, Recursive::Minimum=99: f_1_all.deb
#
# Needs root, or fakeroot. Installs into a package database of its own, in a temporary folder, without a network. Exits 1 if
# the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
mkdir -p etc/apt.conf.d etc/preferences.d etc/sources.list.d state/lists/partial cache/archives/partial log packages
database=root/var/lib/dpkg
mkdir -p "$database/info" "$database/updates" "$database/triggers"
echo "deb [trusted=yes] copy:$work/packages ./" >etc/sources.list
cat >apt.conf <<CONF
Dir::Etc "$work/etc";
Dir::State "$work/state";
Dir::State::status "$work/$database/status";
Dir::Cache "$work/cache";
Dir::Log "$work/log";
APT::Sandbox::User "root";
DPkg::Options { "--root=$work/root"; "--log=$work/log/dpkg.log"; "--force-not-root"; };
CONF
export APT_CONFIG="$work/apt.conf"

# The last of them, f, has a file of the first, a: dpkg refuses to unpack it.
for name in a b c d e f; do
    mkdir -p tree/DEBIAN tree/usr/share
    printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: A Person <person@example.org>\nDescription: x\n' \
        "$name" >tree/DEBIAN/control
    echo "$name" >"tree/usr/share/$name"
    case $name in a | f) echo "$name" >tree/usr/share/shared ;; esac
    archive="packages/${name}_1_all.deb"
    dpkg-deb --root-owner-group -b tree "$archive" >/dev/null
    {
        cat tree/DEBIAN/control
        echo "Filename: ./${name}_1_all.deb"
        echo "Size: $(stat -c %s "$archive")"
        echo "SHA256: $(sha256sum <"$archive" | cut -d ' ' -f 1)"
        echo
    } >>packages/Packages
    rm -r tree
done

install() { # PACKAGE or OPTION...: the name in dpkg's error
    rm -rf root/usr "$database"/info/*
    # dpkg itself as installed, as on any machine.
    {
        printf 'Package: dpkg\nStatus: install ok installed\nMaintainer: A Person <person@example.org>\n'
        printf 'Architecture: %s\n' "$(dpkg --print-architecture)"
        printf 'Version: %s\nDescription: x\n\n' "$(dpkg-query -W -f '${Version}' dpkg)"
    } >"$database/status"
    apt-get -q -y install "$@" >output 2>&1 || true
    # apt shows dpkg a terminal: lines end with CR LF.
    tr -d '\r' <output | sed -n 's/^dpkg: error processing archive .*\/\([^/]*\) (--unpack):$/\1/p'
}

apt-get --version | head -n 1
: >"$database/status"
apt-get -q update >/dev/null 2>&1
five=$(install a b c d f)
six=$(install a b c d e f)
off=$(install -o DPkg::Install::Recursive=false a b c d e f)
minimum=$(install -o DPkg::Install::Recursive::Minimum=99 a b c d e f)
echo "five archives: $five"
echo "six archives: $six"
echo "six archives, Recursive=false: $off"
echo "six archives, Recursive::Minimum=99: $minimum"
[ "$five $six $off $minimum" = "f_1_all.deb 5-f_1_all.deb 5-f_1_all.deb f_1_all.deb" ]
