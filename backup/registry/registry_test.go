//go:build integration

package registry

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"davit/backup"
	"davit/backup/archive"
	"davit/backup/repo"
	"davit/backup/repo/storage/storagetest"
	"davit/backup/transfer"
	"davit/engine/enginetest"
)

// Snapshots go to a registry and come back byte for byte, after the registry's own garbage collection, with what is
// untagged removed: Debian's docker-registry 2.8 and distribution 3, from clear and encrypted repositories.
func TestRegistries(t *testing.T) {
	enginetest.NeedRoot(t)
	for _, script := range []string{"registry.sh", "registry3.sh"} {
		for _, encrypted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s encrypted %v", script, encrypted), func(t *testing.T) {
				server := newServer(t, script)
				from, src := newPlace(t, encrypted), t.TempDir()
				for i := range 40 {
					write(t, fmt.Sprintf("%s/dir%d/file %d", src, i%5, i), strings.Repeat(fmt.Sprintf("line %d\n", i), 2000))
				}
				from.save(t, src)
				write(t, src+"/dir1/file 1", "changed")
				newest := from.save(t, src)
				from.saveImage(t)
				remote := server.dial(t)
				if _, err := push(t, from, remote, false); !encrypted {
					var refused *backup.RefusedError
					if !errors.As(err, &refused) {
						t.Fatalf("plain data without consent: %v", err)
					}
				} else if err != nil {
					t.Fatal(err)
				}
				first, err := push(t, from, remote, true)
				if err != nil || len(first.Copied)+first.There != 3 {
					t.Fatalf("push: %+v, %v", first, err)
				}
				if again, err := push(t, from, remote, true); err != nil || again.Blobs != 0 || again.There != 3 {
					t.Errorf("push again: %+v, %v", again, err)
				}
				server.collect(t)
				to := newPlace(t, encrypted)
				report := pull(t, from, to, server.dial(t))
				if len(report.Copied) != 3 {
					t.Fatalf("pull: %+v", report)
				}
				for _, line := range from.restored(t, newest, src).Diff(to.restored(t, newest, src)) {
					t.Error(line)
				}
				verify, err := backup.Verify(t.Context(), to.env(t), backup.VerifyOptions{ReadData: true})
				if err != nil || verify.Err() != nil || verify.Snapshots != 3 {
					t.Errorf("verify: %+v, %v", verify, err)
				}
				if !encrypted {
					server.hasImage(t, "example.com-shop-1")
				}
				other := newPlace(t, false)
				other.save(t, src)
				var refused *backup.RefusedError
				if _, err := push(t, other, server.dial(t), true); !errors.As(err, &refused) {
					t.Errorf("snapshots of another repository: %v", err)
				}
			})
		}
	}
}

// A push that is cut leaves no snapshot, and the next one goes on.
func TestPushGoesOn(t *testing.T) {
	enginetest.NeedRoot(t)
	server := newServer(t, "registry.sh")
	from, src := newPlace(t, false), t.TempDir()
	for i := range 30 {
		noise := make([]byte, 400_000)
		_, _ = rand.Read(noise)
		write(t, fmt.Sprintf("%s/%d", src, i), string(noise))
	}
	id := from.save(t, src)
	server.limit = 8
	if _, err := push(t, from, server.dial(t), true); err == nil {
		t.Fatal("the push was not cut")
	}
	server.limit = 0
	if ids, err := server.dial(t).snapshots(t.Context()); err != nil || len(ids) != 0 {
		t.Fatalf("%v, %v", ids, err)
	}
	if report, err := push(t, from, server.dial(t), true); err != nil || len(report.Copied) != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	to := newPlace(t, false)
	pull(t, from, to, server.dial(t))
	for _, line := range from.restored(t, id, src).Diff(to.restored(t, id, src)) {
		t.Error(line)
	}
}

func push(t *testing.T, from *place, to *Remote, plaintext bool) (*transfer.Report, error) {
	t.Helper()
	plan, err := PlanPush(t.Context(), transfer.Options{From: from.open(t, false), AllowPlaintext: plaintext}, to)
	if err != nil {
		return nil, err
	}
	report, _, err := Push(t.Context(), transfer.Env{Now: time.Now}, plan)
	return report, err
}

func pull(t *testing.T, owner, to *place, remote *Remote) *transfer.Report {
	t.Helper()
	source, err := remote.Open(t.Context(), owner.options(true))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	plan, err := transfer.NewPlan(t.Context(), transfer.Options{From: source, To: to.open(t, true)})
	if err != nil {
		t.Fatal(err)
	}
	report, err := transfer.Apply(t.Context(), transfer.Env{Now: time.Now}, plan)
	if err != nil {
		t.Fatalf("%v: %+v", err, report)
	}
	return report
}

// server is a registry of its own.
type server struct {
	program, config, address string
	process                  *exec.Cmd
	limit                    int // uploads that a new client may begin; 0: any number
}

func newServer(t *testing.T, script string) *server {
	t.Helper()
	out, err := exec.Command("../../scripts/" + script).Output()
	if err != nil {
		t.Fatalf("provide a registry: %v", err)
	}
	s := &server{program: strings.TrimSpace(string(out)), address: storagetest.Address(t).String(), config: filepath.Join(t.TempDir(), "config.yml")}
	text := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\nlog: {level: error}\n", t.TempDir(), s.address)
	write(t, s.config, text)
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.process = exec.Command(s.program, "serve", s.config)
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the registry does not answer")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *server) stop(t *testing.T) {
	t.Helper()
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// collect runs the registry's garbage collection on what is at rest.
func (s *server) collect(t *testing.T) {
	t.Helper()
	s.stop(t)
	if out, err := exec.Command(s.program, "garbage-collect", "--delete-untagged", s.config).CombinedOutput(); err != nil {
		t.Fatalf("garbage-collect: %v: %s", err, out)
	}
	s.start(t)
}

func (s *server) dial(t *testing.T) *Remote {
	t.Helper()
	r, err := Dial(Scheme+s.address+"/test/backup", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.limit > 0 {
		r.client.Client = &limited{left: s.limit}
	}
	return r
}

// limited lets some uploads begin.
type limited struct{ left int }

func (l *limited) Do(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPost {
		if l.left--; l.left < 0 {
			return nil, errors.New("connection reset")
		}
	}
	return http.DefaultClient.Do(req)
}

// hasImage looks for all that docker pull would ask for.
func (s *server) hasImage(t *testing.T, tag string) {
	t.Helper()
	r := s.dial(t)
	_, data, err := r.fetchManifest(t.Context(), tag)
	if err != nil {
		t.Fatalf("image %s: %v", tag, err)
	}
	m, err := repo.DecodeManifest(repo.DigestOf(data), data)
	if err != nil || len(m.Layers) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, desc := range append(m.Layers, m.Config) {
		if ok, err := r.client.Blobs().Exists(t.Context(), desc); err != nil || !ok {
			t.Errorf("blob %s of image %s: %v, %v", desc.Digest, tag, ok, err)
		}
	}
}

// place is a repository and what its owner has.
type place struct {
	dir      string
	identity *age.X25519Identity
}

func newPlace(t *testing.T, encrypted bool) *place {
	t.Helper()
	p := &place{dir: t.TempDir()}
	var r *repo.Repository
	var err error
	if encrypted {
		if p.identity, err = age.GenerateX25519Identity(); err == nil {
			r, err = repo.InitEncrypted(p.dir+"/repo", p.options(false), []repo.KeyHolder{{Name: "owner", Recipient: p.identity.Recipient()}})
		}
	} else {
		r, err = repo.Init(p.dir+"/repo", p.options(false))
	}
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) options(owner bool) repo.Options {
	var ids []age.Identity
	if owner && p.identity != nil {
		ids = append(ids, p.identity)
	}
	return repo.Options{Host: "web1", HostKeys: p.dir + "/keys", Identities: func() ([]age.Identity, error) { return ids, nil }}
}

func (p *place) open(t *testing.T, owner bool) *repo.Repository {
	t.Helper()
	r, err := repo.Open(p.dir+"/repo", p.options(owner))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func (p *place) env(t *testing.T) *backup.Env {
	return &backup.Env{
		Repo: p.open(t, true), Host: "web1", Version: "test", StateDir: p.dir + "/state", CacheDir: p.dir + "/cache", Now: time.Now, Rand: rand.Reader,
	}
}

func (p *place) save(t *testing.T, src string) string {
	t.Helper()
	plan, err := backup.PlanCreate(t.Context(), p.env(t), backup.CreateOptions{Selection: backup.Selection{Paths: []string{src}}})
	if err != nil {
		t.Fatal(err)
	}
	report, err := backup.ApplyCreate(t.Context(), p.env(t), plan)
	if err != nil {
		t.Fatal(err)
	}
	return report.Snapshot
}

// saveImage makes a snapshot of an image.
func (p *place) saveImage(t *testing.T) {
	t.Helper()
	s, err := p.open(t, false).Begin(t.Context(), repo.SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	layer := tarball(t, "app", strings.Repeat("program ", 10_000))
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": []string{repo.DigestOf(layer).String()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	table, err := json.Marshal([]map[string]any{{"Config": "c.json", "RepoTags": []string{"example.com/shop:1"}, "Layers": []string{"0/layer.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	store := s.NewItemStore()
	save := tarball(t, "0/layer.tar", string(layer), "c.json", string(config), "manifest.json", string(table))
	result, err := archive.Import(t.Context(), store, bytes.NewReader(save), archive.ImportOptions{Kind: archive.Graph})
	if err != nil {
		t.Fatal(err)
	}
	desc, err := store.Seal(t.Context(), result.Images[0].Desc)
	if err != nil {
		t.Fatal(err)
	}
	item := repo.Item{Kind: repo.KindImage, Name: "example.com/shop:1", Desc: desc, Annotations: result.Images[0].Annotations()}
	if _, err := s.Commit(t.Context(), repo.Snapshot{Complete: true, Items: []repo.Item{item}}); err != nil {
		t.Fatal(err)
	}
}

func tarball(t *testing.T, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644})
		if err == nil {
			_, err = w.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func (p *place) restored(t *testing.T, id, src string) enginetest.Tree {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	plan, err := backup.PlanRestore(t.Context(), p.env(t), backup.RestoreOptions{Spec: id + ":path/" + backup.EncodeName(src), To: dir})
	if err == nil {
		_, err = backup.ApplyRestore(t.Context(), p.env(t), plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	tree, err := enginetest.DescribeTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
