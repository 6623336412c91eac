package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"filippo.io/age"
)

// Secrets says where the identities are that decrypt a repository. They are never
// given as such: what is on a command line everybody can see.
type Secrets struct {
	Files          []string // of age identities
	Text           string   // age identities themselves, from the environment
	Command        string   // run by sh; prints age identities
	PassphraseFile string
	Passphrase     string // from the environment
}

// maxWork bounds what opening a key with a passphrase takes: 1 GiB of memory.
const maxWork = 20

// Some tells whether there are any.
func (s Secrets) Some() bool {
	return len(s.Files) > 0 || s.Text+s.Command+s.PassphraseFile+s.Passphrase != ""
}

// Identities reads all that there are. The command is run once for each call, with
// its errors going to stderr.
func (s Secrets) Identities(ctx context.Context, stderr io.Writer) ([]age.Identity, error) {
	var list []age.Identity
	add := func(from string, text []byte) error {
		found, err := age.ParseIdentities(bytes.NewReader(text))
		if err != nil {
			return &KeyError{Reason: fmt.Sprintf("read identity of %s: %v", from, err)}
		}
		list = append(list, found...)
		return nil
	}
	for _, name := range s.Files {
		text, err := readSmallFile(name)
		if err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		if err := add(name, text); err != nil {
			return nil, err
		}
	}
	if s.Text != "" {
		if err := add("the environment", []byte(s.Text)); err != nil {
			return nil, err
		}
	}
	if s.Command != "" {
		cmd := exec.CommandContext(ctx, "sh", "-c", s.Command)
		cmd.Stderr = stderr
		text, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("run identity command: %w", err)
		}
		if err := add("the identity command", text); err != nil {
			return nil, err
		}
	}
	passphrase, err := s.passphrase()
	if err != nil || passphrase == "" {
		return list, err
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("use passphrase: %w", err)
	}
	id.SetMaxWorkFactor(maxWork)
	return append(list, id), nil
}

func (s Secrets) passphrase() (string, error) {
	if s.PassphraseFile == "" {
		return s.Passphrase, nil
	}
	return ReadPassphrase(s.PassphraseFile)
}

// ReadPassphrase reads the first line of a file.
func ReadPassphrase(name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("read passphrase: the first line of %s is empty", name)
	}
	return line, nil
}

// ParseHolder makes a holder of an age recipient: age1…, or age1pq1….
func ParseHolder(text string) (KeyHolder, error) {
	if strings.HasPrefix(text, "AGE-SECRET-KEY-") {
		return KeyHolder{}, errors.New("parse recipient: that is a secret key, which is now in your shell's history; its recipient begins with age1")
	}
	found, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(found) != 1 {
		return KeyHolder{}, fmt.Errorf("parse recipient %q: not an age recipient, which begins with age1", text)
	}
	return KeyHolder{Name: strings.TrimSpace(text), Recipient: found[0]}, nil
}

// PassphraseHolder makes a holder of a passphrase.
func PassphraseHolder(passphrase string) (KeyHolder, error) {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return KeyHolder{}, fmt.Errorf("use passphrase: %w", err)
	}
	return KeyHolder{Name: "passphrase", Recipient: to}, nil
}

// Reader is what Options.Identities asks, nil when there are none.
func (s Secrets) Reader(ctx context.Context, stderr io.Writer) func() ([]age.Identity, error) {
	if !s.Some() {
		return nil
	}
	return func() ([]age.Identity, error) { return s.Identities(ctx, stderr) }
}
