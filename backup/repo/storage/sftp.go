package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// sftpTemps is the folder of half-written files. It is not listed with any other.
const sftpTemps = "davit/tmp"

// sftpServer is a folder of an SSH server.
type sftpServer struct {
	at     sftpLocation
	url    string
	config *ssh.ClientConfig

	mu     sync.Mutex
	client *sftp.Client // nil: to be connected
	conn   *ssh.Client
}

func openSFTP(ctx context.Context, location string, o Options) (*sftpServer, error) {
	at, err := parseSFTP(location)
	if err != nil {
		return nil, err
	}
	s := &sftpServer{at: at, url: location}
	if s.config, err = sshConfig(at, o); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", at.host, err)
	}
	if _, err := s.connected(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *sftpServer) Place() string { return s.url }

func (s *sftpServer) path(name string) string { return path.Join(s.at.folder, name) }

func (s *sftpServer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil
	}
	err := errors.Join(s.client.Close(), s.conn.Close())
	s.client, s.conn = nil, nil
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// connected is the connection, a new one when the last broke.
func (s *sftpServer) connected(ctx context.Context) (*sftp.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	conn, err := dialSSH(ctx, s.at, s.config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.at.host, err)
	}
	client, err := sftp.NewClient(conn, sftp.UseConcurrentWrites(true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin sftp with %s: %w", s.at.host, err), conn.Close())
	}
	for _, extension := range []string{"posix-rename@openssh.com", "fsync@openssh.com"} {
		if _, has := client.HasExtension(extension); !has {
			return nil, errors.Join(&UnfitError{Reason: "it does not know " + extension + ", or does not let this account use it"}, client.Close(), conn.Close())
		}
	}
	s.client, s.conn = client, conn
	return client, nil
}

// do works with the connection. One that broke, or hangs for too long, is given up.
func (s *sftpServer) do(ctx context.Context, work func(*sftp.Client) error) error {
	client, err := s.connected(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.giveUp(client) })
	defer stop()
	err = work(client)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.giveUp(client)
	}
	return err
}

func (s *sftpServer) giveUp(client *sftp.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == client {
		_ = s.conn.Close() // it is of no use any more
		s.client, s.conn = nil, nil
	}
}

func (s *sftpServer) Put(ctx context.Context, name string, body io.ReadSeeker, _ int64, _ string) error {
	return s.do(ctx, func(c *sftp.Client) error {
		temp := s.path(sftpTemps + "/" + rand.Text())
		err := s.write(c, temp, body)
		if errors.Is(err, fs.ErrNotExist) {
			if err = s.makeParents(c, sftpTemps+"/"); err == nil {
				err = s.write(c, temp, body)
			}
		}
		if err != nil {
			return err
		}
		err = c.PosixRename(temp, s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			if err = s.makeParents(c, name); err == nil {
				err = c.PosixRename(temp, s.path(name))
			}
		}
		if err != nil {
			_ = c.Remove(temp) // else Tidy does
		}
		return err
	})
}

// write makes a file whose bytes are on the server's disk.
func (s *sftpServer) write(c *sftp.Client, temp string, body io.ReadSeeker) error {
	f, err := c.Create(temp)
	if err != nil {
		return err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = f.ReadFrom(body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = c.Remove(temp)
	}
	return err
}

// makeParents makes the folders above a file, but not the repository's own.
func (s *sftpServer) makeParents(c *sftp.Client, name string) error {
	folder := s.at.folder
	for _, part := range strings.Split(path.Dir(name), "/") {
		folder = path.Join(folder, part)
		if err := c.Mkdir(folder); err != nil {
			if info, serr := c.Stat(folder); serr != nil || !info.IsDir() {
				return err
			}
		}
	}
	return nil
}

func (s *sftpServer) Get(ctx context.Context, name string) (in io.ReadCloser, size int64, err error) {
	err = s.do(ctx, func(c *sftp.Client) error {
		info, err := c.Lstat(s.path(name))
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("open %s: not a regular file", name)
		}
		f, err := c.Open(s.path(name))
		in, size = f, info.Size()
		return err
	})
	return in, size, err
}

func (s *sftpServer) Stat(ctx context.Context, name string) (info Info, err error) {
	err = s.do(ctx, func(c *sftp.Client) error {
		st, err := c.Lstat(s.path(name))
		if err != nil {
			return err
		}
		if !st.Mode().IsRegular() {
			return fmt.Errorf("stat %s: not a regular file", name)
		}
		info = Info{Size: st.Size(), Time: st.ModTime()}
		return nil
	})
	return info, err
}

func (s *sftpServer) List(ctx context.Context, folder string, visit func(string, Info) error) error {
	return s.do(ctx, func(c *sftp.Client) error { return s.listIn(ctx, c, folder, visit) })
}

func (s *sftpServer) listIn(ctx context.Context, c *sftp.Client, folder string, visit func(string, Info) error) error {
	entries, err := c.ReadDirContext(ctx, s.path(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		switch {
		case e.IsDir() && name == "lost+found":
		case e.IsDir():
			err = s.listIn(ctx, c, name, visit)
		default:
			err = visit(name, Info{Size: e.Size(), Time: e.ModTime()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sftpServer) Remove(ctx context.Context, name string) error {
	return s.do(ctx, func(c *sftp.Client) error { return c.Remove(s.path(name)) })
}

// makeFolders makes the repository's folder, for nobody else's eyes, and those in it.
func (s *sftpServer) MakeFolders(ctx context.Context, folders []string) error {
	return s.do(ctx, func(c *sftp.Client) error {
		if err := c.MkdirAll(s.at.folder); err != nil {
			return err
		}
		if err := c.Chmod(s.at.folder, dirPerm); err != nil {
			return err
		}
		for _, folder := range append(folders, sftpTemps) {
			if err := c.MkdirAll(s.path(folder)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *sftpServer) Tidy(ctx context.Context, before time.Time) error {
	return s.do(ctx, func(c *sftp.Client) error {
		return s.listIn(ctx, c, sftpTemps, func(name string, info Info) error {
			if info.Time.After(before) {
				return nil
			}
			if err := c.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		})
	})
}

// final tells that the server has understood and said no.
func (s *sftpServer) Final(err error) bool {
	var unfit *UnfitError
	return errors.Is(err, fs.ErrPermission) || errors.As(err, &unfit) || isAuth(err)
}
