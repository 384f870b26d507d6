# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Completion of `verso` for bash. It knows no command and no option: `verso help --list` names them, so that it
# fits the tool that is installed. Costs one run of the tool for each TAB.

# The commands, one a line.
_verso_commands()
{
	"$1" help --list 2>/dev/null | sed -n 's/^command\t\([^\t]*\).*/\1/p'
	echo help
}

# The options of a command, one a line: --name or --name=VALUE, and -l or -l=VALUE where there is a letter.
_verso_options()
{
	"$1" help --list 2>/dev/null | awk -F'\t' -v command="$2" '$1 == "option" && $2 == command {
		print $3 ($5 != "" && $5 !~ /^\[/ ? "=" $5 : "")
		if ($4 != "")
			print $4 ($5 != "" ? "=" $5 : "")
	}'
}

# What help calls the value of an option, of all options on standard input.
_verso_value()
{
	sed -n "s/^$1=\(.*\)/\1/p" | head -n 1
}

_verso_complete_value()
{
	local value=$1 current=$2

	case $value in
	*'|'*) mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "$current") ;;
	*FILE*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	*) COMPREPLY=() ;;
	esac
}

_verso()
{
	local tool=$1 current=${COMP_WORDS[COMP_CWORD]} option='' options value command=${COMP_WORDS[1]}

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_verso_commands "$tool")" -- "$current")
		return
	fi
	if [ "$command" = help ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_verso_commands "$tool")" -- "$current")
		return
	fi
	options=$(_verso_options "$tool" "$command")
	# bash makes three words of --name=value.
	if [ "$current" = = ]; then
		option=${COMP_WORDS[COMP_CWORD - 1]} current=''
	elif [ "${COMP_WORDS[COMP_CWORD - 1]}" = = ]; then
		option=${COMP_WORDS[COMP_CWORD - 2]}
	else
		option=${COMP_WORDS[COMP_CWORD - 1]}
	fi
	value=
	case $option in
	-*) value=$(_verso_value "$option" <<<"$options") ;;
	esac
	if [ -n "$value" ]; then
		_verso_complete_value "$value" "$current"
		return
	fi
	case $current in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$(sed '/^--/s/=.*/=/; t; s/=.*//' <<<"$options")" -- "$current")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
		;;
	*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	esac
	return 0
}

complete -o filenames -F _verso verso
