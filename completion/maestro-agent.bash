# Bash completion for maestro-agent. Reads the dpkg database and the record; needs no network and no root.

_maestro_agent_packages() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$1*" 2>/dev/null | sed -n 's/^installed //p' | sort -u
}

_maestro_agent() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local state_dir=/var/lib/maestro-agent verb="" subject="" word before="" words=""
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
            --config | --plan | --run-dir | --number | -n | --at | --despite | --comment | --until) ;;
            --state-dir) state_dir=$word ;;
            *)
                if [[ $word == -* ]]; then
                    before=$word
                    continue
                elif [[ -z $verb ]]; then
                    verb=$word
                else
                    subject=$word
                fi
                ;;
        esac
        before=""
    done

    case $previous in
        --config)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        --state-dir | --run-dir)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        --despite)
            mapfile -t COMPREPLY < <(compgen -W "last-run sessions scheduled-by-other fleet-lock" -- "$current")
            return
            ;;
        --plan | --number | -n | --at | --comment | --until) return ;;
    esac

    if [[ $current == -* ]]; then
        words="--config --state-dir --help"
        case $verb in
            "") words+=" --version" ;;
            check) words+=" --verbose --no-refresh --plan --wait --json --quiet" ;;
            upgrade) words+=" --verbose --security --all --no-refresh --dry-run --reboot-if-required --only --plan --yes --wait --json --quiet" ;;
            snooze) words+=" --until --comment --list --end --json --quiet" ;;
            provision) words+=" --verbose --no-reboot --force --wait --json --quiet" ;;
            status) words+=" --verbose --all --check --json --quiet" ;;
            explain) words+=" --verbose --json" ;;
            docker | weave)
                words+=" --verbose --all --dry-run --plan --yes --wait --after-failure --allow-downgrade --json --quiet"
                case $verb in
                    docker) words+=" --allow-major-downgrade --remove-containers --change-held --live-restore" ;;
                    weave) words+=" --allow-major" ;;
                esac
                ;;
            reboot)
                words+=" --if-required --at --cancel --dry-run --despite --comment --yes --wait --json --quiet"
                ;;
            restart-services) words+=" --dry-run --yes --wait --json --quiet" ;;
            lock) words+=" --forget --wait --json" ;;
            unattended-upgrades) words+=" --json" ;;
            follow) words+=" --wait --json" ;;
            report) words+=" --show --send --run-dir --accepted --json" ;;
            requests) words+=" --number --json" ;;
            history) words+=" --number --verbose --json" ;;
            run) words+=" --run-dir --accepted" ;;
            *) words+=" --json" ;;
        esac
    elif [[ -z $verb ]]; then
        words="status check upgrade provision snooze explain docker weave reboot restart-services lock unattended-upgrades requests follow history report config run help"
    elif [[ $verb == upgrade || $verb == snooze ]]; then
        words=$(_maestro_agent_packages "$current")
    elif [[ $verb == explain ]]; then
        words="reboot docker weave $(_maestro_agent_packages "$current")"
    elif [[ -z $subject ]]; then
        case $verb in
            history)
                words="last $(cd "$state_dir/history" 2>/dev/null && printf '%s\n' *.json |
                    sed -n 's/^\([0-9].*\)\.json$/\1/p')"
                ;;
            config) words="check show accept" ;;
            docker | weave) words="status plan upgrade" ;;
            lock) words="status release" ;;
            unattended-upgrades) words="status enable disable restore" ;;
            help) words="status check upgrade provision snooze explain docker weave reboot restart-services lock unattended-upgrades requests follow history report config run" ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _maestro_agent maestro-agent
