# Bash completion for maestro-endpoint. Uses no database and no network.

_maestro_endpoint() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verb="" subject="" word before="" words=""
    COMPREPLY=()

    # bash splits --option=value into three words
    if [[ $current == = ]]; then
        current=""
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == = ]] && continue
        case $before in
            --config | --dir | --port | --name | --host | --why | --group) ;;
            --tag | --add | --remove | --fix | --when | --reboot | --plan | --at-once | --upgrade) ;;
            --stop-after | --expires | --comment | --sign-with | --with | --write | --read | --role | --uses | --until) ;;
            *)
                if [[ $word == -* ]]; then
                    before=$word
                    continue
                elif [[ -z $verb ]]; then
                    verb=$word
                else
                    subject+=$word
                fi
                ;;
        esac
        before=""
    done

    case $previous in
        --config | --sign-with | --with)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        --dir | --write | --read)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        --when)
            mapfile -t COMPREPLY < <(compgen -W "now window" -- "$current")
            return
            ;;
        --role)
            mapfile -t COMPREPLY < <(compgen -W "viewer operator admin" -- "$current")
            return
            ;;
        --upgrade)
            mapfile -t COMPREPLY < <(compgen -W "security fixes none" -- "$current")
            return
            ;;
        --reboot)
            mapfile -t COMPREPLY < <(compgen -W "no if-required" -- "$current")
            return
            ;;
        --port | --hosts | --name | --host | --why | --group) return ;;
        --tag | --add | --remove | --fix | --plan | --at-once | --stop-after | --expires | --comment) return ;;
        --uses | --until) return ;;
    esac

    if [[ $current == -* ]]; then
        words="--help"
        case $verb$subject in
            "") words+=" --version" ;;
            notifytest | notifylist) words+=" --config" ;;
            serve | gaps | tokenlist | tokenrevoke* | advisories?*) words+=" --config" ;;
            backup*) words+=" --config --replace" ;;
            try) words+=" --dir --port" ;;
            demo) words+=" --dir --port --hosts" ;;
            fleet | locks | lockslist) words+=" --config --json" ;;
            locksrelease*) words+=" --config --why --group" ;;
            tokenadd) words+=" --config --name --host --admin --role --tag --may-reboot --enrol --uses --until --approve" ;;
            enrolmentslist) words+=" --config --all --json" ;;
            enrolmentsapprove*) words+=" --config --all" ;;
            enrolmentsrefuse*) words+=" --config" ;;
            useradd* | userset*) words+=" --config --role --tag --may-reboot" ;;
            userlink*) words+=" --config --login" ;;
            usertotp*) words+=" --config --off" ;;
            userlist | userdisable* | userenable*) words+=" --config" ;;
            tag*) words+=" --config --add --remove" ;;
            requestslist | requestsshow*) words+=" --config --json" ;;
            requestssign*) words+=" --config --with --write --read" ;;
            requestscancel*) words+=" --config --lost" ;;
            requestsresume*) words+=" --config" ;;
            deploy*)
                words+=" --config --upgrade --fix --reboot --docker --weave --when --at-once --stop-after --expires"
                words+=" --comment --exact --sign-later --dry-run --json"
                ;;
        esac
        if [[ $verb == request ]]; then
            words+=" --config --host --tag --all --fix --when --reboot --plan --at-once --stop-after --expires"
            words+=" --comment --sign-with --sign-later --dry-run --json"
        fi
    elif [[ -z $verb ]]; then
        words="serve try demo fleet gaps locks deploy request requests tag advisories backup notify enrolments user token"
    elif [[ $verb == user && -z $subject ]]; then
        words="add list set disable enable link totp"
    elif [[ $verb == token && -z $subject ]]; then
        words="add list revoke"
    elif [[ $verb == advisories && -z $subject ]]; then
        words="load status"
    elif [[ $verb == notify && -z $subject ]]; then
        words="list test"
    elif [[ $verb == enrolments && -z $subject ]]; then
        words="list approve refuse"
    elif [[ $verb == locks && -z $subject ]]; then
        words="list release"
    elif [[ $verb == requests && -z $subject ]]; then
        words="list show sign cancel resume"
    elif [[ $verb == request && -z $subject ]]; then
        words="check send-report upgrade-security upgrade-fixes reboot-if-required apply-docker apply-weave"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _maestro_endpoint maestro-endpoint
