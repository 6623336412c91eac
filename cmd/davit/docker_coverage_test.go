package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unusedFlags are the flags that no line of testdata/docker uses, with the reason.
func unusedFlags() map[string]string {
	return map[string]string{}
}

// Every command, and every flag of each, stands in a line of testdata/docker that is compared. A command of a group
// and the same one without the group share their flags: docker has them made once.
func checkEveryFlagUsed(t *testing.T, flags map[string][]string) {
	commands, used := map[string]bool{}, map[string]bool{}
	for _, words := range linesOfTables(t) {
		path, rest := commandOf(words, flags)
		if path == "" {
			continue
		}
		commands[path] = true
		for _, name := range flagsIn(path, rest, flags[path]) {
			used[alone(path)+" --"+name] = true
		}
	}
	reasons := unusedFlags()
	for _, path := range slices.Sorted(maps.Keys(flags)) {
		if !commands[path] {
			t.Errorf("no line has the command %s", path)
		}
		for _, flag := range flags[path] {
			name := alone(path) + " --" + strings.Fields(flag)[0]
			if !used[name] && reasons[name] == "" && !strings.HasSuffix(name, " --help") {
				t.Errorf("no line has the flag %s", name)
			}
			if used[name] && reasons[name] != "" {
				t.Errorf("%s is used, though there is a reason why it is not", name)
			}
		}
	}
}

// alone is what a command is called without its group.
func alone(path string) string {
	same := map[string]string{"container ls": "ps", "image ls": "images", "image rm": "rmi"}
	if short, ok := same[path]; ok {
		return short
	}
	group, word, _ := strings.Cut(path, " ")
	switch {
	case (group == "container" || group == "image") && word != "inspect" && word != "prune",
		path == "system info", path == "system events":
		return word
	}
	return path
}

// linesOfTables returns the words behind every davit in the tables, except in lines that are not compared.
func linesOfTables(t *testing.T) [][]string {
	var all [][]string
	for _, pattern := range []string{"../../testdata/docker/*.txt", "../../testdata/docker/*/*.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no tables at %s: %v", pattern, err)
		}
		for _, file := range files {
			for _, l := range readTable(t, file) {
				if !l.has("@differ") {
					all = append(all, davitCalls(l.text)...)
				}
			}
		}
	}
	return all
}

// davitCalls returns the words of every call of davit in a line for a shell, without the program's name.
func davitCalls(text string) [][]string {
	const name = "davit "
	var calls [][]string
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return calls
		}
		at += i
		if at == 0 || strings.ContainsRune(" (", rune(text[at-1])) {
			calls = append(calls, shellWords(text[at+len(name):]))
		}
		at += len(name)
	}
}

// shellWords splits the beginning of a text into words, up to what a shell takes for the end of a command.
func shellWords(text string) []string {
	var words []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	end := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	for i, c := range text {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case strings.ContainsRune("|;&<>)", c), c == '(' && strings.HasSuffix(text[:i], "$"):
			end()
			return words
		case c == ' ':
			end()
		default:
			inWord = true
			word.WriteRune(c)
		}
	}
	end()
	return words
}

// commandOf returns the command that words begin with behind the global flags, and the words behind it.
func commandOf(words []string, flags map[string][]string) (path string, rest []string) {
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case slices.Contains([]string{"-H", "--host", "-l", "--log-level", "--context", "-c", "--config", "--tlscacert"}, w):
			i++
		case strings.HasPrefix(w, "-"):
		case flags[w] != nil:
			return w, words[i+1:]
		case i+1 < len(words) && flags[w+" "+words[i+1]] != nil:
			return w + " " + words[i+1], words[i+2:]
		default:
			return "", nil
		}
	}
	return "", nil
}

// flagsIn returns the names of a command's flags among words; known are those flags as flagsOf returns them.
func flagsIn(path string, words, known []string) []string {
	name, value := map[string]string{}, map[string]bool{}
	for _, flag := range known {
		long, rest, _ := strings.Cut(flag, " -")
		short, kind, _ := strings.Cut(rest, " ")
		name["--"+long], value[long] = long, kind != ""
		if short != "" {
			name["-"+short] = long
		}
	}
	var found []string
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case !strings.HasPrefix(w, "-"):
			if slices.Contains([]string{"run", "create", "exec", "top", "commit"}, alone(path)) {
				return found
			}
		case strings.HasPrefix(w, "--"):
			w, _, attached := strings.Cut(w, "=")
			long := name[w]
			if long != "" {
				found = append(found, long)
			}
			if (value[long] || long == "") && !attached { // one that --help keeps quiet about: they take values
				i++
			}
		default:
			for letters := w[1:]; letters != ""; letters = letters[1:] {
				long := name["-"+letters[:1]]
				if long == "" {
					break
				}
				found = append(found, long)
				if value[long] {
					if len(letters) == 1 {
						i++
					}
					break
				}
			}
		}
	}
	return found
}

// The words of a line are found as a shell finds them.
func TestDavitCalls(t *testing.T) {
	text := `echo x; davit -H unix:///x ps -aq --filter 'a b' | wc; davit rmi -f $(davit images -aq) && A=1 davit run -it -p8080:80 --name=x base -d`
	flags := map[string][]string{
		"ps": {"all -a", "quiet -q", "filter -f filter"}, "rmi": {"force -f"}, "images": {"all -a", "quiet -q"},
		"run": {"interactive -i", "tty -t", "publish -p list", "name - string", "detach -d"},
	}
	var got []string
	for _, words := range davitCalls(text) {
		path, rest := commandOf(words, flags)
		got = append(got, path+": "+strings.Join(flagsIn(path, rest, flags[path]), " "))
	}
	want := []string{"ps: all quiet filter", "rmi: force", "images: all quiet", "run: interactive tty publish name"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
