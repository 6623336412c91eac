# bash completion for davit; needs nothing beside bash.
# shellcheck shell=bash

# _davit_words sets the array words to what stands before the cursor. Bash has cut it at the characters of
# COMP_WORDBREAKS as well, as in app:1; what has no space between belongs together.
_davit_words() {
	local rest=${COMP_LINE:0:COMP_POINT} word i
	words=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $i == 0 || $rest == [[:space:]]* ]]; then
			rest=${rest#"${rest%%[![:space:]]*}"}
			words+=("")
		fi
		((i < COMP_CWORD)) || word=$rest
		words[-1]+=$word
		rest=${rest:${#word}}
	done
}

_davit() {
	local words current kept line directive quoted
	_davit_words
	COMPREPLY=()
	directive=0
	current=${words[-1]}
	[[ $current != -*=* ]] || current=${current#*=}
	# Bash puts a candidate in the place of what follows the last of these.
	kept=${current%"${current##*[:=]}"}
	while IFS= read -r line; do
		case $line in
		:[0-9]*) directive=${line#:} ;;
		*)
			line=${line%%$'\t'*}
			if [[ -n $line && $line == "$current"* ]]; then
				printf -v quoted %q "${line#"$kept"}"
				COMPREPLY+=("$quoted")
			fi
			;;
		esac
	done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2> /dev/null)
	((directive & 2)) && compopt -o nospace
	((directive & 5)) && compopt +o default
	((directive & 16)) && compopt -o dirnames
	return 0
}

complete -o default -F _davit davit
