package dockercmd

import (
	"slices"
	"strings"
)

// Group is a set of docker's words as a help page shows them.
type Group struct {
	Title string
	Words []string
}

// Groups returns docker's words.
func Groups() []Group {
	return []Group{
		{"Containers", strings.Fields("run create ps exec attach start stop restart kill pause unpause wait rm rename " +
			"logs cp update inspect port top stats diff export commit container")},
		{"Images", strings.Fields("images pull push tag save load rmi history search import login logout image")},
		{"Engine", strings.Fields("volume network system info version events")},
	}
}

// Word reports whether a command line that begins with this word is docker's.
func Word(word string) bool {
	return slices.ContainsFunc(Groups(), func(g Group) bool { return slices.Contains(g.Words, word) })
}

// Foreign returns what to use for a command of docker's that is not carried out here, in words that follow "use".
func Foreign(word string) (instead string, ok bool) {
	switch word {
	case "build", "builder", "buildx", "bake":
		return "docker buildx", true
	case "compose":
		return "docker compose", true
	case "swarm", "stack", "service", "node", "secret":
		return "docker " + word + " on a swarm manager", true
	case "plugin", "context", "trust", "manifest", "checkpoint":
		return "docker " + word, true
	}
	return "", false
}

// Line is a command line that was looked at, but not read.
type Line struct {
	Word    string   // the first word that is no flag; "" when there is none, or a flag before it is unknown
	globals []string // docker's global flags before it
	rest    []string // the word and what follows
	help    bool     // --help stood before it, or it stood behind "help"
}

// Look finds the first word of a command line behind the global flags. Flags of our own that take a value are to be
// named, without dashes; they are left out.
func Look(words []string, own ...string) Line {
	var l Line
	for i := 0; i < len(words); {
		word := words[i]
		if word == "-" || !strings.HasPrefix(word, "-") {
			if word == "help" && i+1 < len(words) {
				l.help = true
				i++
				continue
			}
			l.Word, l.rest = word, words[i:]
			return l
		}
		n, mine := flagWords(word, own)
		if n == 0 || i+n > len(words) {
			return Line{}
		}
		switch {
		case word == "--help" || word == "-h":
			l.help = true
		case !mine:
			l.globals = append(l.globals, words[i:i+n]...)
		}
		i += n
	}
	return Line{}
}

// flagWords returns how many words a global flag takes, 0 when there is no such flag, and whether it is our own.
func flagWords(word string, own []string) (n int, mine bool) {
	name, isLong := strings.CutPrefix(word, "--")
	if !isLong {
		return shortWords(word[1:]), false
	}
	name, _, hasValue := strings.Cut(name, "=")
	switch {
	case slices.Contains(own, name):
		mine = true
	case slices.Contains([]string{"debug", "tls", "tlsverify", "help"}, name):
		return 1, false
	case !slices.Contains([]string{"config", "context", "host", "log-level", "tlscacert", "tlscert", "tlskey"}, name):
		return 0, false
	}
	if hasValue {
		return 1, mine
	}
	return 2, mine
}

// shortWords is flagWords for one-letter flags, several of which may stand together.
func shortWords(letters string) int {
	for i, letter := range letters {
		switch letter {
		case 'D', 'h':
		case 'c', 'H', 'l':
			if i == len(letters)-1 {
				return 2
			}
			return 1
		default:
			return 0
		}
	}
	return 1
}
