package storage

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

const sshTimeout = 30 * time.Second

// HostKeyError tells that a server is not known, or is not the one that is.
type HostKeyError struct {
	Host    string
	Changed bool
	Err     error
}

// Unwrap gives the reason.
func (e *HostKeyError) Unwrap() error { return e.Err }

func (e *HostKeyError) Error() string {
	if e.Changed {
		return fmt.Sprintf("the key of %s is another than known_hosts has: somebody may be in between", e.Host)
	}
	return fmt.Sprintf("%s is not in known_hosts", e.Host)
}

// AuthError tells that the server takes none of the keys.
type AuthError struct{ Err error }

// Unwrap gives the reason.
func (e *AuthError) Unwrap() error { return e.Err }

func (e *AuthError) Error() string { return e.Err.Error() }

func isAuth(err error) bool {
	var host *HostKeyError
	var auth *AuthError
	return errors.As(err, &host) || errors.As(err, &auth)
}

// sshConfig looks where ssh does: the agent, the keys in ~/.ssh, known_hosts. It does not read
// ~/.ssh/config.
func sshConfig(at sftpLocation, o Options) (*ssh.ClientConfig, error) {
	user := at.user
	if user == "" {
		user = o.Getenv("USER")
	}
	if user == "" {
		return nil, errors.New("no user: write sftp://USER@" + at.host)
	}
	check, algorithms, err := hostKeys(at, o)
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{
		User: user, Timeout: sshTimeout, HostKeyCallback: check, HostKeyAlgorithms: algorithms,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) { return signers(o) })},
	}, nil
}

// hostKeys makes what checks the server's key, and the kinds of keys that it is known by.
func hostKeys(at sftpLocation, o Options) (ssh.HostKeyCallback, []string, error) {
	var files []string
	for _, file := range []string{filepath.Join(o.Home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"} {
		if _, err := os.Stat(file); err == nil {
			files = append(files, file)
		}
	}
	known, err := knownhosts.New(files...)
	if err != nil {
		return nil, nil, fmt.Errorf("read known_hosts: %w", err)
	}
	check := func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := known(host, remote, key)
		if unknown := (*knownhosts.KeyError)(nil); errors.As(err, &unknown) {
			return &HostKeyError{Host: at.host, Changed: len(unknown.Want) > 0, Err: err}
		}
		return err
	}
	return check, knownAlgorithms(known, at), nil
}

// knownAlgorithms asks known_hosts about a key that nobody has: its answer lists those it has. A
// server with several keys must show one of these.
func knownAlgorithms(known ssh.HostKeyCallback, at sftpLocation) []string {
	nobody, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil
	}
	var answer *knownhosts.KeyError
	if !errors.As(known(net.JoinHostPort(at.host, at.port), &net.TCPAddr{}, nobody), &answer) {
		return nil
	}
	var list []string
	for _, k := range answer.Want {
		switch t := k.Key.Type(); t {
		case ssh.KeyAlgoRSA:
			list = append(list, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			list = append(list, t)
		}
	}
	return list
}

// signers are the keys of the agent, then those in DAVIT_SSH_KEY or ~/.ssh.
func signers(o Options) ([]ssh.Signer, error) {
	var list []ssh.Signer
	if socket := o.Getenv("SSH_AUTH_SOCK"); socket != "" {
		if conn, err := net.Dial("unix", socket); err == nil {
			if found, err := agent.NewClient(conn).Signers(); err == nil {
				list = append(list, found...)
			}
		}
	}
	files := []string{o.Getenv("DAVIT_SSH_KEY")}
	if files[0] == "" {
		files = nil
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			files = append(files, filepath.Join(o.Home, ".ssh", name))
		}
	}
	var problems []error
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && o.Getenv("DAVIT_SSH_KEY") == "" {
			continue
		}
		var key ssh.Signer
		if err == nil {
			key, err = ssh.ParsePrivateKey(data)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("read key %s: %w", file, err))
			continue
		}
		list = append(list, key)
	}
	if len(list) == 0 {
		return nil, errors.Join(append(problems, errors.New("no key: neither the agent nor ~/.ssh nor DAVIT_SSH_KEY has one that needs no passphrase"))...)
	}
	return list, nil
}

func dialSSH(ctx context.Context, at sftpLocation, config *ssh.ClientConfig) (*ssh.Client, error) {
	address := net.JoinHostPort(at.host, at.port)
	tcp, err := (&net.Dialer{Timeout: sshTimeout, KeepAlive: sshTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { tcp.Close() })
	defer stop()
	if err := tcp.SetDeadline(time.Now().Add(sshTimeout)); err != nil { //nolint:contextcheck // of the handshake
		return nil, errors.Join(err, tcp.Close())
	}
	conn, channels, requests, err := ssh.NewClientConn(tcp, address, config)
	if err != nil {
		if strings.Contains(err.Error(), "unable to authenticate") || strings.Contains(err.Error(), "no key: ") {
			err = &AuthError{Err: err}
		}
		return nil, errors.Join(err, tcp.Close())
	}
	if err := tcp.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return ssh.NewClient(conn, channels, requests), nil
}
