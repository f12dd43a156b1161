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
        --config)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        --dir)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        --port | --name | --host | --why | --group) return ;;
    esac

    if [[ $current == -* ]]; then
        words="--help"
        case $verb$subject in
            "") words+=" --version" ;;
            serve | gaps | tokenlist | tokenrevoke*) words+=" --config" ;;
            try) words+=" --dir --port" ;;
            fleet | locks | lockslist) words+=" --config --json" ;;
            locksrelease*) words+=" --config --why --group" ;;
            tokenadd) words+=" --config --name --host --admin" ;;
        esac
    elif [[ -z $verb ]]; then
        words="serve try fleet gaps locks token"
    elif [[ $verb == token && -z $subject ]]; then
        words="add list revoke"
    elif [[ $verb == locks && -z $subject ]]; then
        words="list release"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _maestro_endpoint maestro-endpoint
