package backup

import (
	"strings"
	"testing"
)

// No value of an environment variable is left in a document, at any depth; the rest is.
func TestRedactInspect(t *testing.T) {
	got, err := redactInspect([]byte(`{"Name":"/db","Config":{"Env":["PGPASS=hunter2","EMPTY=","PATH"],"Cmd":["run","--fast"]},"Spec":[{"Env":["A=hunter2"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "hunter2") {
		t.Errorf("a secret is left: %s", got)
	}
	for _, want := range []string{`"PGPASS=(redacted)"`, `"PATH"`, `"--fast"`, `"/db"`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is missing: %s", want, got)
		}
	}
}

func TestRedactText(t *testing.T) {
	const text = `# made by hand
PGPASS=hunter2
export TOKEN="hunter2"
services:
  db:
    image: postgres:16
    environment:
      - POSTGRES_PASSWORD=hunter2
      - PLAIN
    labels:
      role: demo
  web:
    image: web:1
    environment:
      COLOR: hunter2
      LONG: |
        hunter2
    command: serve
    api_key: hunter2
    environment: {A: hunter2}
`
	got := redactText(text)
	if strings.Contains(got, "hunter2") {
		t.Errorf("a secret is left:\n%s", got)
	}
	for _, want := range []string{"image: postgres:16", "role: demo", "command: serve", "PGPASS=(redacted)", "COLOR: (redacted)", "# made by hand"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing:\n%s", want, got)
		}
	}
}
