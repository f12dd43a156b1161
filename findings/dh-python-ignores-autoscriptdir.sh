#!/bin/sh
# Finding: dh_python3 ignores DH_AUTOSCRIPTDIR, which all helpers of debhelper itself obey.
#
# debhelper takes the templates of maintainer script fragments from the directory in DH_AUTOSCRIPTDIR, so that it can run
# from an unpacked copy. dh-python opens /usr/share/debhelper/autoscripts, always. A build that runs an unpacked debhelper
# beside another installed one therefore mixes fragments of two versions in one maintainer script, silently; where none is
# installed, dh_python3 ends with a traceback.
#
# Seen with debhelper 13.11.4 and dh-python 5.20230130+deb12u1 (Debian 12):
#     dh_installinit: template of DH_AUTOSCRIPTDIR
#     dh_python3: other template, or none
#
# Needs Debian 12's archive and Python 3. Works in a temporary folder; installs nothing. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user downloads into it
cd "$work"
apt-get -q download debhelper=13.11.4 libdebhelper-perl=13.11.4 dh-python=5.20230130+deb12u1 >/dev/null 2>&1
apt-get -q download dpkg-dev libdpkg-perl >/dev/null 2>&1
for archive in *.deb; do
    dpkg-deb -x "$archive" root
done
cp -R -n /usr/share/dpkg/. root/usr/share/dpkg/
for template in root/usr/share/debhelper/autoscripts/*; do
    echo "# ours" >>"$template"
done
export PATH="$work/root/usr/bin:$PATH" PERL5LIB="$work/root/usr/share/perl5" DPKG_DATADIR="$work/root/usr/share/dpkg"
export DH_DATAFILES="$work/root/usr/share/debhelper" DH_AUTOSCRIPTDIR="$work/root/usr/share/debhelper/autoscripts"
export PYTHONPATH="$work/root/usr/share/dh-python"

mkdir -p built/debian/small/usr/share/small built/debian/small/etc/init.d
cd built
cat >debian/control <<'END'
Source: small
Maintainer: A Person <person@example.org>
Build-Depends: debhelper-compat (= 13)

Package: small
Architecture: all
Description: a package with a module and an init script
END
printf 'small (1) unstable; urgency=low\n\n  * New.\n\n -- A Person <person@example.org>  Mon, 23 Nov 2026 08:10:00 +0000\n' \
    >debian/changelog
echo 'x = 1' >debian/small/usr/share/small/module.py
printf '#!/bin/sh\n' >debian/small.init

# fragments: whose template the last helper used.
fragments() {
    if cat debian/small.postinst.debhelper debian/.debhelper/generated/small/postinst* 2>/dev/null | grep -q '^# ours'; then
        echo "template of DH_AUTOSCRIPTDIR"
    else
        echo "other template, or none"
    fi
    rm -rf debian/small.p* debian/.debhelper
}

dh_installinit >log 2>&1 || true
debhelper=$(fragments)
dh_python3 >>log 2>&1 || true
python=$(fragments)
echo "dh_installinit: $debhelper"
echo "dh_python3: $python"
[ "$debhelper" = "template of DH_AUTOSCRIPTDIR" ] && [ "$python" = "other template, or none" ]
