#!/bin/sh
# Finding: `promtool test rules` passes when the rule file under test does not exist.
#
# A `rule_files` entry that matches nothing is only a warning on standard error. The run goes on with no rules, so every
# test that expects no alert passes, and promtool prints SUCCESS and exits 0. `promtool check rules` on the same path
# exits 1. A test file that moved to another folder, away from its rules, therefore keeps passing unless at least one of
# its tests expects an alert.
#
# Seen with the Debian 12 package prometheus 2.42.0+ds-5+deb12u1 (promtool 2.42.0+ds) on amd64:
#     Unit Testing:  tests.yml
#       WARNING: no file match pattern moved-away.yml
#       SUCCESS
#     test rules: exit 0; check rules: exit 1
#
# Needs Debian 12's archive. Works in a temporary folder; installs nothing. Exits 1 if the behaviour differs.
set -eu

version=2.42.0+ds-5+deb12u1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user downloads into it
cd "$work"
apt-get -q download "prometheus=$version" >/dev/null 2>&1
dpkg-deb -x prometheus_*.deb unpacked
promtool="$work/unpacked/usr/bin/promtool"
"$promtool" --version 2>&1 | head -n 1

cat >tests.yml <<'YML'
rule_files:
  - moved-away.yml
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: up{job="web"}
        values: 0 0 0
    alert_rule_test:
      - eval_time: 2m
        alertname: WebIsDown
        exp_alerts: []
YML

tested=0
"$promtool" test rules tests.yml >tested 2>&1 || tested=$?
checked=0
"$promtool" check rules moved-away.yml >/dev/null 2>&1 || checked=$?
cat tested
echo "test rules: exit $tested; check rules: exit $checked"
grep -q SUCCESS tested && grep -q 'no file match pattern moved-away.yml' tested && [ "$tested" = 0 ] && [ "$checked" = 1 ]
