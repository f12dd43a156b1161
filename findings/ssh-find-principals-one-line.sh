#!/bin/sh
# Finding: `ssh-keygen -Y find-principals` names the principals of one line only, and does not look at its namespaces.
#
# An allowed-signers file may name one key on several lines, as for another namespace. Who does not know the signer asks
# find-principals for the principal of a signature, because `-Y verify` needs it. find-principals answers from the first
# line with the key, also where that line's `namespaces=` excludes the namespace of the signature, and it has no option to
# pass one. The two steps then refuse a signature that `-Y verify` accepts for the principal of the second line.
#
# Seen with openssh-client 1:9.2p1-2+deb12u10 (Debian 12):
#     find-principals: ann-git@example.org
#     verify with it: refused
#     verify with ann@example.org: Good "release" signature
#
# Needs Debian 12's archive. Works in a temporary folder; installs nothing. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user downloads into it
cd "$work"
apt-get -q download openssh-client=1:9.2p1-2+deb12u10 >/dev/null 2>&1
dpkg-deb -x openssh-client_*.deb root
keygen=$work/root/usr/bin/ssh-keygen

"$keygen" -q -t ed25519 -N '' -C '' -f key
key=$(cat key.pub)
printf 'ann-git@example.org namespaces="git" %s\nann@example.org namespaces="release" %s\n' "$key" "$key" >signers
echo "some text" >message
"$keygen" -q -Y sign -f key -n release message </dev/null

found=$("$keygen" -Y find-principals -f signers -s message.sig)
refused=accepted
"$keygen" -Y verify -f signers -I "$found" -n release -s message.sig <message >/dev/null 2>&1 || refused=refused
good=$("$keygen" -Y verify -f signers -I ann@example.org -n release -s message.sig <message)
echo "find-principals: $found"
echo "verify with it: $refused"
echo "verify with ann@example.org: ${good%% signature*} signature"
[ "$found $refused" = "ann-git@example.org refused" ]
