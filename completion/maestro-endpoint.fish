# Fish completion for maestro-endpoint. Uses no database and no network.

# Whether the command is one of these: "token add"; "request VERB" is `request` with its verb.
function __maestro_endpoint_in
    set -l words (commandline -opc)
    set -l found
    set -l skip 1
    for word in $words[2..]
        if test $skip = 0
            set skip 1
        else if contains -- $word --config --dir --port --name --host --why --group --tag --add --remove --fix --when \
                --reboot --upgrade --plan --at-once --stop-after --expires --comment --sign-with --with --write --read --role --uses --until
            set skip 0
        else if not string match -q -- '-*' $word
            set -a found $word
        end
    end
    set -l command $found[1]
    if test (count $found) -gt 1
        switch $command
            case request
                set command 'request VERB'
            case advisories enrolments locks notify requests token user
                set command $found[1..2]
        end
    end
    contains -- "$command" $argv
end

complete -c maestro-endpoint -f
complete -c maestro-endpoint -s h -l help -d 'show the help'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -l version -d 'show the version'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a serve -d 'accept reports until stopped'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a try -d 'serve on loopback with a generated certificate and token'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a demo -d 'serve pages with an invented fleet on loopback'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a fleet -d 'hosts: pending, held, reboot required, silent'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a gaps -d 'events that are missing'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a locks -d 'reboot slots: who holds one, who waits'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a deploy -d 'upgrades, reboots, Docker, Weave for a selection'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a request -d 'request work of hosts, some at a time'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a requests -d 'the requests made so far'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a tag -d 'tags of hosts'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a advisories -d 'known exploited vulnerabilities, notices: load them'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a backup -d 'a verified copy of the database'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a notify -d 'notifications by webhook and mail'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a user -d 'people who may log in, and what each may do'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a token -d 'tokens of agents and administrators'
complete -c maestro-endpoint -n '__maestro_endpoint_in advisories' -a 'load status'
complete -c maestro-endpoint -n '__maestro_endpoint_in notify' -a 'list test'
complete -c maestro-endpoint -n '__maestro_endpoint_in ""' -a enrolments -d 'hosts that ask for a token: list, approve, refuse'
complete -c maestro-endpoint -n '__maestro_endpoint_in enrolments' -a 'list approve refuse'
complete -c maestro-endpoint -n '__maestro_endpoint_in locks' -a 'list release'
complete -c maestro-endpoint -n '__maestro_endpoint_in requests' -a 'list show sign cancel resume'
complete -c maestro-endpoint -n '__maestro_endpoint_in token' -a 'add list revoke'
complete -c maestro-endpoint -n '__maestro_endpoint_in user' -a 'add list set disable enable link totp'
complete -c maestro-endpoint -n '__maestro_endpoint_in request' -a 'check send-report upgrade-security upgrade-fixes reboot-if-required apply-docker apply-weave'

set -l all serve fleet gaps deploy locks '"locks list"' '"locks release"' request '"request VERB"' '"requests list"' '"requests show"' \
    '"requests sign"' '"requests cancel"' '"requests resume"' tag '"advisories load"' '"advisories status"' backup '"notify list"' '"notify test"' '"enrolments list"' '"enrolments approve"' '"enrolments refuse"' '"token add"' '"token list"' '"token revoke"' \
    '"user add"' '"user list"' '"user set"' '"user disable"' '"user enable"' '"user link"' '"user totp"'
complete -c maestro-endpoint -n "__maestro_endpoint_in $all" -l config -r -F -d 'configuration file to read instead of the default'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy fleet locks "locks list" request "request VERB" "requests list" "requests show" "enrolments list"' -l json -d 'print a JSON document'
complete -c maestro-endpoint -n '__maestro_endpoint_in try' -l dir -x -a '(__fish_complete_directories)' -d 'where all files are kept'
complete -c maestro-endpoint -n '__maestro_endpoint_in try' -l port -x -d 'on 127.0.0.1'
complete -c maestro-endpoint -n '__maestro_endpoint_in demo' -l dir -x -a '(__fish_complete_directories)' -d 'keep all files there'
complete -c maestro-endpoint -n '__maestro_endpoint_in demo' -l port -x -d 'on 127.0.0.1'
complete -c maestro-endpoint -n '__maestro_endpoint_in demo' -l hosts -x -d 'how many are invented'
complete -c maestro-endpoint -n '__maestro_endpoint_in "locks release"' -l why -x -d 'for the record'
complete -c maestro-endpoint -n '__maestro_endpoint_in "locks release"' -l group -x -d 'if the host holds several'
complete -c maestro-endpoint -n '__maestro_endpoint_in tag' -l add -x -d 'tags to add'
complete -c maestro-endpoint -n '__maestro_endpoint_in backup' -l replace -d 'overwrite the file if it exists'
complete -c maestro-endpoint -n '__maestro_endpoint_in tag' -l remove -x -d 'tags to remove'
complete -c maestro-endpoint -n '__maestro_endpoint_in "token add"' -l name -x -d 'what it is for'
complete -c maestro-endpoint -n '__maestro_endpoint_in "token add"' -l host -x -d 'valid for this host only'
complete -c maestro-endpoint -n '__maestro_endpoint_in "token add"' -l admin -d 'as --role admin'
complete -c maestro-endpoint -n '__maestro_endpoint_in "token add"' -l enrol -d 'a key that hosts exchange for a token of their own'
complete -c maestro-endpoint -n '__maestro_endpoint_in "token add"' -l uses -x -d 'for how many hosts'
complete -c maestro-endpoint -n '__maestro_endpoint_in "token add"' -l until -x -d 'a day, a time, 30d or forever'
complete -c maestro-endpoint -n '__maestro_endpoint_in "token add"' -l approve -d 'a person approves each host'
complete -c maestro-endpoint -n '__maestro_endpoint_in "enrolments list" "enrolments approve"' -l all -d 'all of them'
set -l grant '__maestro_endpoint_in "token add" "user add" "user set"'
complete -c maestro-endpoint -n $grant -l role -x -a 'viewer operator admin' -d 'what the person may do'
complete -c maestro-endpoint -n $grant -l tag -x -d 'these hosts only'
complete -c maestro-endpoint -n $grant -l may-reboot -d 'an operator who may let hosts reboot'
complete -c maestro-endpoint -n '__maestro_endpoint_in "user link"' -l login -d 'the link logs in, and sets no password'
complete -c maestro-endpoint -n '__maestro_endpoint_in "user totp"' -l off -d 'require no codes; ends all sessions'
complete -c maestro-endpoint -n '__maestro_endpoint_in "requests sign"' -l with -r -F -d 'key to sign with'
complete -c maestro-endpoint -n '__maestro_endpoint_in "requests sign"' -l write -x -a '(__fish_complete_directories)' -d 'write what is to be signed there'
complete -c maestro-endpoint -n '__maestro_endpoint_in "requests sign"' -l read -x -a '(__fish_complete_directories)' -d 'read the signatures from there'
complete -c maestro-endpoint -n '__maestro_endpoint_in "requests cancel"' -l lost -d 'the host will not come back'

set -l request '__maestro_endpoint_in request "request VERB"'
complete -c maestro-endpoint -n $request -l host -x -d 'by name or host id'
complete -c maestro-endpoint -n $request -l tag -x -d 'all with one of these tags'
complete -c maestro-endpoint -n $request -l all -d 'all that take requests'
complete -c maestro-endpoint -n $request -l fix -x -d 'package or CVE, for upgrade-fixes'
complete -c maestro-endpoint -n $request -l when -x -a 'now window' -d "now, or in the host's maintenance window"
complete -c maestro-endpoint -n $request -l reboot -x -a 'no if-required' -d 'after an upgrade'
complete -c maestro-endpoint -n $request -l plan -x -d 'of one host: refused if its plan is another one'
complete -c maestro-endpoint -n $request -l at-once -x -d 'hosts in flight'
complete -c maestro-endpoint -n $request -l stop-after -x -d 'failures'
complete -c maestro-endpoint -n $request -l expires -x -d 'no host starts it later'
complete -c maestro-endpoint -n $request -l comment -x -d 'why; hosts show it'
complete -c maestro-endpoint -n $request -l sign-with -r -F -d 'key to sign with'
complete -c maestro-endpoint -n $request -l sign-later -d 'wait for requests sign'
complete -c maestro-endpoint -n $request -l dry-run -d 'show the hosts, change nothing'

complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l upgrade -x -a 'security fixes none' -d 'which packages'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l fix -x -d 'package or CVE, for --upgrade fixes'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l reboot -x -a 'no if-required' -d 'after the upgrade'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l docker -d "Docker to the version of the host's manifest"
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l weave -d 'the same for Weave'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l when -x -a 'now window' -d "now, or in the host's maintenance window"
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l at-once -x -d 'hosts in flight, or a share of them'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l stop-after -x -d 'failures'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l expires -x -d 'no host starts it later'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l comment -x -d 'why; hosts show it'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l exact -d 'only the plan that each host has now'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l sign-later -d 'all wait for requests sign'
complete -c maestro-endpoint -n '__maestro_endpoint_in deploy' -l dry-run -d 'show what each host would do'
