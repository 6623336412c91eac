package backup

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// redacted stands in place of a value that may be a secret.
const redacted = "(redacted)"

// redactInspect hides the values of environment variables, wherever the document holds them.
func redactInspect(data []byte) (json.RawMessage, error) {
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("decode definition: %w", err)
	}
	return json.Marshal(redactEnv(doc))
}

func redactEnv(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if list, ok := value.([]any); ok && key == "Env" {
				v[key] = redactPairs(list)
				continue
			}
			v[key] = redactEnv(value)
		}
	case []any:
		for i := range v {
			v[i] = redactEnv(v[i])
		}
	}
	return v
}

func redactPairs(list []any) []any {
	for i, entry := range list {
		pair, ok := entry.(string)
		if !ok {
			list[i] = redacted
			continue
		}
		if name, _, ok := strings.Cut(pair, "="); ok {
			list[i] = name + "=" + redacted
		}
	}
	return list
}

// redactText hides values in a compose or .env file: those of NAME=VALUE lines, all below
// "environment:", and those whose name looks like a secret's. Hiding every value of a compose file would leave
// nothing to show.
func redactText(text string) string {
	assignment := regexp.MustCompile(`^(\s*-?\s*["']?(?:export\s+)?[A-Za-z_][A-Za-z0-9_.-]*=).+$`)
	mapping := regexp.MustCompile(`^(\s*-?\s*["']?[A-Za-z0-9_.-]+["']?\s*:[ \t]+)\S.*$`)
	secret := regexp.MustCompile(`(?i)^[^:]*(?:pass|secret|token|key|credential|auth|private)[^:]*:`)
	environment := regexp.MustCompile(`^\s*environment\s*:`)
	lines := strings.Split(text, "\n")
	block := -1 // indentation of the environment that the line belongs to
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		listed := strings.HasPrefix(strings.TrimLeft(line, " "), "-")
		if block >= 0 && strings.TrimSpace(line) != "" && (indent < block || indent == block && !listed) {
			block = -1
		}
		switch {
		case environment.MatchString(line):
			block = indent
			lines[i] = mapping.ReplaceAllString(line, "${1}"+redacted)
		case assignment.MatchString(line):
			lines[i] = assignment.ReplaceAllString(line, "${1}"+redacted)
		case mapping.MatchString(line) && (block >= 0 || secret.MatchString(line)):
			lines[i] = mapping.ReplaceAllString(line, "${1}"+redacted)
		case block >= 0 && strings.TrimSpace(line) != "" && !strings.HasSuffix(strings.TrimSpace(line), ":"):
			lines[i] = line[:indent] + redacted // a value that goes on
		}
	}
	return strings.Join(lines, "\n")
}
