#!/bin/sh
# Finding: python-apt decodes one byte that is not UTF-8 in three ways, by field: U+FFFD, a surrogate, or an exception.
#
# Debian Policy asks for UTF-8, but some private repositories have a maintainer or homepage in Latin-1. apt does not
# decode: it shows and installs such packages. For the candidate of the same package, python-apt returns `summary` with
# U+FFFD and `filename` with a lone surrogate, and raises UnicodeDecodeError for `homepage`, `section`, `source_name` and
# `record`. The docstrings mention none of this. So one byte in one package of one source can end a program with a
# traceback, depending on the fields that it reads.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing), each with its python3-apt:
#     apt-get -s install: Inst a (1 localhost [all])
#     summary: 'caf\ufffd'
#     filename: './caf\udce9.deb'
#     homepage: UnicodeDecodeError
#     section: UnicodeDecodeError
#     source_name: UnicodeDecodeError
#     record: UnicodeDecodeError
#
# Needs Debian's python3-apt. Works in a temporary folder, without a network; changes nothing of the machine. Exits 1 if
# the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
mkdir -p etc/apt.conf.d etc/preferences.d etc/sources.list.d state/lists/partial cache/archives/partial packages
: >state/status
echo "deb [trusted=yes] copy:$work/packages ./" >etc/sources.list
cat >apt.conf <<CONF
Dir::Etc "$work/etc";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
CONF
export APT_CONFIG="$work/apt.conf"
{
    printf 'Package: a\nVersion: 1\nArchitecture: all\nSection: caf\351\nSource: caf\351\nHomepage: http://example.org/caf\351\n'
    printf 'Filename: ./caf\351.deb\nSize: 1\nDescription: caf\351\n\n'
} >packages/Packages

cat >expected <<'END'
summary: 'caf\ufffd'
filename: './caf\udce9.deb'
homepage: UnicodeDecodeError
section: UnicodeDecodeError
source_name: UnicodeDecodeError
record: UnicodeDecodeError
END
apt-get --version | head -n 1
apt-get -q update >output 2>&1
simulated=$(apt-get -q -s install a 2>/dev/null | grep '^Inst')
/usr/bin/python3 - >seen <<'PY'
import apt

candidate = apt.Cache()["a"].candidate
for field in ("summary", "filename", "homepage", "section", "source_name", "record"):
    try:
        shown = ascii(getattr(candidate, field))
    except UnicodeDecodeError as error:
        shown = type(error).__name__
    print(f"{field}: {shown}")
PY
echo "apt-get -s install: $simulated"
cat seen
[ -n "$simulated" ] && cmp -s seen expected
