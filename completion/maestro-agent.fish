# Fish completion for maestro-agent. Reads the dpkg database and the record; needs no network and no root.

set -l commands status check upgrade provision snooze explain docker weave reboot restart-services lock unattended-upgrades requests follow history report run config help

function __maestro_agent_packages
    set -l word (commandline -ct)
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$word*" 2>/dev/null | string replace -rf '^installed ' '' | sort -u
end

function __maestro_agent_runs
    set -l directory /var/lib/maestro-agent
    set -l words (commandline -opc)
    for at in (seq (count $words))
        switch $words[$at]
            case --state-dir
                set directory $words[(math $at + 1)]
            case '--state-dir=*'
                set directory (string replace -- --state-dir= '' $words[$at])
        end
    end
    echo last
    for file in $directory/history/*.json
        string match -rg '([0-9][^/]*)\.json$' $file
    end | sort -r
end

set -l first "not __fish_seen_subcommand_from $commands"

complete -c maestro-agent -f
complete -c maestro-agent -s h -l help -d 'show the help'
complete -c maestro-agent -l config -r -F -d 'configuration file to read instead of the default'
complete -c maestro-agent -l state-dir -x -a '(__fish_complete_directories)' -d 'directory of the record'
complete -c maestro-agent -n $first -l version -d 'show the version'

complete -c maestro-agent -n $first -a status -d 'show updates, runs, reboot need'
complete -c maestro-agent -n $first -a check -d 'fetch the package lists, plan, record; installs nothing'
complete -c maestro-agent -n $first -a upgrade -d 'install security updates'
complete -c maestro-agent -n $first -a snooze -d 'leave an update alone until a date'
complete -c maestro-agent -n $first -a provision -d 'new server: every package to its latest, restart'
complete -c maestro-agent -n $first -a explain -d 'show why a package is upgraded or not, or a reboot due'
complete -c maestro-agent -n $first -a docker -d 'show or upgrade Docker'
complete -c maestro-agent -n $first -a weave -d 'show or upgrade Weave'
complete -c maestro-agent -n $first -a reboot -d 'reboot through the gates, now or later'
complete -c maestro-agent -n $first -a restart-services -d 'restart services that run replaced files'
complete -c maestro-agent -n $first -a lock -d 'show or release the fleet lock'
complete -c maestro-agent -n $first -a unattended-upgrades -d 'show or switch the distribution'\''s own daily job'
complete -c maestro-agent -n $first -a follow -d 'show the progress of the running job'
complete -c maestro-agent -n $first -a requests -d 'list requests of the endpoint, and how they ended'
complete -c maestro-agent -n $first -a history -d 'list past runs, or show one completely'
complete -c maestro-agent -n $first -a report -d 'show the status report, or send it'
complete -c maestro-agent -n $first -a run -d 'run the daemon (systemd starts it)'
complete -c maestro-agent -n $first -a config -d 'check the configuration, or show its values'
complete -c maestro-agent -n $first -a help -d 'list the commands, or show the help of one'

# Whether the command is one of these: `docker upgrade` is not `upgrade`, nor is `help docker` the command docker.
function __maestro_agent_for
    set -l words (commandline -opc)
    set -l skip 1
    for word in $words[2..]
        if test $skip = 0
            set skip 1
        else if contains -- $word --config --state-dir --plan --run-dir --number -n --at --despite --comment --until
            set skip 0
        else if not string match -q -- '-*' $word
            contains -- $word $argv
            return
        end
    end
    return 1
end

complete -c maestro-agent -n '__maestro_agent_for status check upgrade provision snooze explain docker weave reboot restart-services lock unattended-upgrades requests follow history report config' -l json -d 'print a JSON document'
complete -c maestro-agent -n '__maestro_agent_for status check upgrade provision explain docker weave history' -s v -l verbose -d 'list everything'
complete -c maestro-agent -n '__maestro_agent_for status check upgrade provision snooze docker weave reboot restart-services' -s q -l quiet -d 'print nothing unless something needs a person'
complete -c maestro-agent -n '__maestro_agent_for status' -l all -d 'list everything'
complete -c maestro-agent -n '__maestro_agent_for status' -l check -d 'print one line for Nagios, exit 0 to 3'
complete -c maestro-agent -n '__maestro_agent_for check upgrade' -l no-refresh -d 'use the package lists as they are'
complete -c maestro-agent -n '__maestro_agent_for upgrade' -l reboot-if-required -d 'reboot afterwards, if that is required and nothing failed'
complete -c maestro-agent -n '__maestro_agent_for provision' -l no-reboot -d 'leave a required restart to somebody else'
complete -c maestro-agent -n '__maestro_agent_for provision' -l force -d 'also if this server was provisioned'
complete -c maestro-agent -n '__maestro_agent_for check upgrade docker weave' -l plan -x -d 'exit 6 unless the plan is still this one'
complete -c maestro-agent -n '__maestro_agent_for check upgrade provision docker weave reboot restart-services lock' -l wait -d 'wait for a running job'
complete -c maestro-agent -n '__maestro_agent_for upgrade' -l only -x -a '(__maestro_agent_packages)' -d 'only this package or CVE, and what it needs'
complete -c maestro-agent -n '__maestro_agent_for upgrade' -l security -d 'security updates only'
complete -c maestro-agent -n '__maestro_agent_for upgrade' -l all -d 'every package to its newest version'
complete -c maestro-agent -n '__maestro_agent_for upgrade' -l dry-run -d 'print the plan, change nothing'
complete -c maestro-agent -n '__maestro_agent_for upgrade' -s y -l yes -d 'do not ask'
complete -c maestro-agent -n '__maestro_agent_for upgrade snooze explain' -a '(__maestro_agent_packages)'
complete -c maestro-agent -n '__maestro_agent_for explain' -a 'docker weave' -d 'as the last check saw it'
complete -c maestro-agent -n '__maestro_agent_for explain' -a reboot -d 'whether a reboot is required'
complete -c maestro-agent -n '__maestro_agent_for docker weave' -a 'status plan upgrade'
complete -c maestro-agent -n '__maestro_agent_for docker weave' -l all -d 'list every container'
complete -c maestro-agent -n '__maestro_agent_for docker weave' -l dry-run -d 'print the plan, change nothing'
complete -c maestro-agent -n '__maestro_agent_for docker weave' -s y -l yes -d 'do not ask'
complete -c maestro-agent -n '__maestro_agent_for docker weave' -l after-failure -d 'try again although the last upgrade needs attention'
complete -c maestro-agent -n '__maestro_agent_for docker weave' -l allow-downgrade -d 'let the manifest ask for an older version'
complete -c maestro-agent -n '__maestro_agent_for docker' -l allow-major-downgrade -d 'the same across a major version'
complete -c maestro-agent -n '__maestro_agent_for docker' -l remove-containers -d 'let running containers with --rm be removed'
complete -c maestro-agent -n '__maestro_agent_for docker' -l change-held -d 'change engine and client although they are on hold'
complete -c maestro-agent -n '__maestro_agent_for docker' -l live-restore -d 'switch live-restore on first'
complete -c maestro-agent -n '__maestro_agent_for weave' -l allow-major -d 'let the manifest ask for another major version'
complete -c maestro-agent -n '__maestro_agent_for reboot' -l if-required -d 'do nothing if no reboot is required'
complete -c maestro-agent -n '__maestro_agent_for reboot' -l at -x -d 'reboot at this time'
complete -c maestro-agent -n '__maestro_agent_for reboot' -l cancel -d 'end what is scheduled'
complete -c maestro-agent -n '__maestro_agent_for reboot restart-services' -l dry-run -d 'print what would be done, do nothing'
complete -c maestro-agent -n '__maestro_agent_for reboot' -l despite -x -a 'last-run sessions scheduled-by-other fleet-lock' -d 'reboot although this gate is closed'
complete -c maestro-agent -n '__maestro_agent_for reboot' -l comment -x -d 'for the record and for logged-in users'
complete -c maestro-agent -n '__maestro_agent_for snooze' -l until -x -d 'when it ends by itself'
complete -c maestro-agent -n '__maestro_agent_for snooze' -l comment -x -d 'why, in one line'
complete -c maestro-agent -n '__maestro_agent_for snooze' -l list -d 'show what is snoozed'
complete -c maestro-agent -n '__maestro_agent_for snooze' -l end -d 'end the snoozes of these packages and CVEs now'
complete -c maestro-agent -n '__maestro_agent_for reboot restart-services' -s y -l yes -d 'do not ask'
complete -c maestro-agent -n '__maestro_agent_for lock' -l forget -d 'remove the record without asking the server'
complete -c maestro-agent -n '__maestro_agent_for lock' -a 'status release'
complete -c maestro-agent -n '__maestro_agent_for unattended-upgrades' -a 'status enable disable restore'
complete -c maestro-agent -n '__maestro_agent_for follow' -l wait -d 'wait for the next job'
complete -c maestro-agent -n '__maestro_agent_for requests' -s n -l number -x -d 'list only the newest requests'
complete -c maestro-agent -n '__maestro_agent_for history' -s n -l number -x -d 'list only the newest runs'
complete -c maestro-agent -n '__maestro_agent_for history' -k -a '(__maestro_agent_runs)'
complete -c maestro-agent -n '__maestro_agent_for report' -l show -d 'print the report'
complete -c maestro-agent -n '__maestro_agent_for report' -l send -d 'run all configured exporters now'
complete -c maestro-agent -n '__maestro_agent_for report run' -l run-dir -x -a '(__fish_complete_directories)' -d 'directory of the status files'
complete -c maestro-agent -n '__maestro_agent_for report run' -l accepted -d 'use the accepted configuration'
complete -c maestro-agent -n '__maestro_agent_for config' -a 'check show accept'
complete -c maestro-agent -n '__maestro_agent_for help' -a "$commands"
