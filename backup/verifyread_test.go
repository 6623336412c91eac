package backup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"davit/backup/repo"
	"davit/backup/verified"
	"davit/engine/enginetest"
)

// readCounter adds up the data that was really read, and may stop the run.
type readCounter struct {
	NoReporter
	bytes atomic.Int64
	after int64
	stop  func()
}

func (c *readCounter) Add(n int64) {
	if c.bytes.Add(n) > c.after && c.stop != nil {
		c.stop()
	}
}

// noise fills a folder with files that make chunks of quite different sizes.
func noise(t *testing.T, dir string) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	for i := range 70 {
		data := make([]byte, 100+4*i*i)
		if i%35 == 34 {
			data = make([]byte, 5<<18)
		}
		if _, err := random.Read(data); err != nil {
			t.Fatal(err)
		}
		write(t, fmt.Sprintf("%s/%d/f%d", dir, i%10, i), string(data))
	}
}

// verifyOnce makes one run and tells how many bytes of data it read.
func verifyOnce(t *testing.T, env *Env, o VerifyOptions) (*VerifyReport, int64) {
	t.Helper()
	count := &readCounter{}
	env.Reporter = count
	o.ReadData = true
	report, err := Verify(t.Context(), env, o)
	if err != nil {
		t.Fatal(err)
	}
	return report, count.bytes.Load()
}

// verifiable is a repository with two snapshots that share most of their data.
func verifiable(t *testing.T, env *Env) {
	t.Helper()
	dir := t.TempDir()
	noise(t, dir)
	for i := range 2 {
		write(t, dir+"/state", fmt.Sprint(i))
		create(t, env, CreateOptions{Selection: Selection{Paths: []string{dir}}})
	}
}

func clearAndEncrypted(t *testing.T, test func(t *testing.T, env *Env)) {
	t.Run("clear", func(t *testing.T) { test(t, testEnv(t, nil)) })
	t.Run("encrypted", func(t *testing.T) {
		enginetest.NeedRoot(t)
		test(t, newSealedHost(t).reader(t))
	})
}

// Twenty runs of 5 % read everything exactly once. One that is stopped is taken up again. Where nothing is
// remembered everything is read.
func TestVerifySamples(t *testing.T) {
	clearAndEncrypted(t, func(t *testing.T, env *Env) {
		verifiable(t, env)
		all, total := verifyOnce(t, env, VerifyOptions{})
		if all.Data != nil || total == 0 {
			t.Fatalf("nothing was to be remembered: %+v, %d bytes", all.Data, total)
		}
		var sum int64
		sample := VerifyOptions{Sample: 500, Remember: true}
		for i := range 20 {
			report, n := verifyOnce(t, env, sample)
			sum += n
			if d := report.Data; d.Bytes != total || d.ReadBytes != sum || (d.ReadBlobs == d.Blobs) != (sum == total) || report.Err() != nil {
				t.Fatalf("run %d: %+v, read %d of %d", i, d, sum, total)
			}
		}
		if sum != total {
			t.Errorf("20 runs have read %d bytes of %d", sum, total)
		}
		if _, n := verifyOnce(t, env, sample); n == 0 || n > total/2 {
			t.Errorf("the next round begins with %d bytes of %d", n, total)
		}
		if _, n := verifyOnce(t, env, VerifyOptions{}); n != total {
			t.Errorf("a run that is to read all read %d bytes of %d", n, total)
		}
	})
}

// A run that reads all and is stopped is taken up again; with a log that is gone or damaged it begins anew.
func TestVerifyGoesOn(t *testing.T) {
	for name, change := range map[string]func(log string) error{
		"goes on": nil,
		"gone":    os.Remove,
		"damaged": func(log string) error { return os.Truncate(log, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			env := testEnv(t, nil)
			verifiable(t, env)
			_, total := verifyOnce(t, env, VerifyOptions{})
			ctx, stop := context.WithCancel(t.Context())
			count := &readCounter{after: total / 2, stop: stop}
			env.Reporter = count
			if _, err := Verify(ctx, env, VerifyOptions{ReadData: true, Remember: true}); !errors.Is(err, context.Canceled) {
				t.Fatalf("stopped: %v", err)
			}
			if change != nil {
				log := verified.Path(filepath.Join(env.StateDir, "verified"), env.Repo.Config().ID, env.Repo.Dir())
				if err := change(log); err != nil {
					t.Fatal(err)
				}
			}
			report, n := verifyOnce(t, env, VerifyOptions{Remember: true})
			if report.Data.Continued.IsZero() != (change != nil) || (n == total) != (change != nil) || n < total-count.bytes.Load() {
				t.Errorf("read %d of %d bytes after %d: %+v", n, total, count.bytes.Load(), report.Data)
			}
			if d := report.Data; d.ReadBlobs != d.Blobs {
				t.Errorf("after it: %+v", d)
			}
			if _, n := verifyOnce(t, env, VerifyOptions{Remember: true}); n != total {
				t.Errorf("the next run read %d bytes of %d", n, total)
			}
		})
	}
}

// A flipped bit is found by the run whose turn it is and by all that follow, and is never said to be good; a chunk that
// is missing is told by every run and does not keep others from being read.
func TestVerifySamplesFindDamage(t *testing.T) {
	clearAndEncrypted(t, func(t *testing.T, env *Env) {
		verifiable(t, env)
		b := pickBlobs(t, env)
		path := blobFile(env, b.chunk)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		found := 0
		for i := range 20 {
			report, _ := verifyOnce(t, env, VerifyOptions{Sample: 500, Remember: true})
			now := 0
			for _, d := range report.Damaged {
				if d.Digest != b.chunk.String() || len(d.Hits) != 2 || len(d.Hits[0].Files) == 0 {
					t.Fatalf("damaged: %+v", d)
				}
				now++
			}
			if now < found || report.Data.ReadBlobs == report.Data.Blobs {
				t.Fatalf("run %d found %d damaged blobs, the one before %d: %+v", i, now, found, report.Data)
			}
			found = now
			if i == 19 && report.Data.ReadBlobs != report.Data.Blobs-1 {
				t.Errorf("at the end: %+v", report.Data)
			}
		}
		if found != 1 {
			t.Error("no run found the damage")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		var read int64
		for range 20 { // of which some read nothing, after one that read a big chunk
			report, n := verifyOnce(t, env, VerifyOptions{Sample: 500, Remember: true})
			if read += n; len(report.Damaged) != 1 {
				t.Errorf("missing: %+v", report.Damaged)
			}
		}
		if read == 0 {
			t.Error("a missing chunk keeps others from being read")
		}
	})
}

// What is remembered of the last run is the last that looked at everything and came to its end, also when that read nothing; damage
// that is known counts until it is gone. By another name the folder is the same.
func TestLastVerified(t *testing.T) {
	env, dir := testEnv(t, nil), t.TempDir()
	write(t, dir+"/a", "some content")
	create(t, env, CreateOptions{Selection: Selection{Paths: []string{dir}}})
	b := pickBlobs(t, env)
	is := func(want *verified.Last, what string) {
		t.Helper()
		got, err := LastVerified(env)
		if err != nil || (got == nil) != (want == nil) || got != nil && (got.Data != want.Data || got.Damaged != want.Damaged || got.Time.IsZero()) {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
		}
	}
	verify := func(o VerifyOptions) {
		t.Helper()
		if _, err := Verify(t.Context(), env, o); err != nil {
			t.Fatal(err)
		}
	}
	is(nil, "before any")
	verify(VerifyOptions{Spec: "latest", ReadData: true, Remember: true})
	verify(VerifyOptions{ReadData: true})
	is(nil, "after one of a snapshot, and one that is not remembered")
	verify(VerifyOptions{Remember: true})
	is(&verified.Last{}, "without data")
	verify(VerifyOptions{ReadData: true, Sample: 500, Remember: true})
	is(&verified.Last{Data: true}, "of a sample")
	path := blobFile(env, b.chunk)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := slices.Clone(whole)
	broken[len(broken)/2] ^= 1
	for _, step := range []struct {
		data []byte
		want verified.Last
		what string
	}{{broken, verified.Last{Data: true, Damaged: 1}, "damage"}, {whole, verified.Last{Data: true}, "mended"}} {
		if err := os.WriteFile(path, step.data, 0o600); err != nil {
			t.Fatal(err)
		}
		verify(VerifyOptions{ReadData: true, Remember: true})
		is(&step.want, step.what)
		verify(VerifyOptions{Remember: true}) // which sees no damage of data, and does not make it good
		is(&verified.Last{Damaged: step.want.Damaged}, "names only, after "+step.what)
	}
	link := t.TempDir() + "/link"
	if err := os.Symlink(env.Repo.Dir(), link); err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(link, repo.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := LastVerified(&Env{Repo: r, StateDir: env.StateDir}); got == nil {
		t.Errorf("by another name: %v, %v", got, err)
	}
}

// What was left of a blob by a run that was killed is no damage: the index does not offer it. When the next
// backup may refer to it, it is.
func TestVerifyReadsWhatIsOffered(t *testing.T) {
	env := testEnv(t, nil)
	name := filepath.Join(env.Repo.Dir(), "blobs", "sha256", repo.DigestOf([]byte("whole")).Hex())
	write(t, name, "who")
	if report, _ := verifyOnce(t, env, VerifyOptions{}); report.Err() != nil {
		t.Errorf("half a blob that nobody may refer to: %+v", report)
	}
	s, err := env.Repo.Begin(t.Context(), repo.SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBlob(t.Context(), []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Sync(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if report, _ := verifyOnce(t, env, VerifyOptions{}); report.Err() != nil {
		t.Errorf("the blob is whole: %+v", report)
	}
	write(t, name, "other")
	if report, _ := verifyOnce(t, env, VerifyOptions{}); report.Err() == nil {
		t.Error("a damaged blob that the index offers was not found")
	}
}

// What is asked for and makes no sense is refused.
func TestVerifyOptions(t *testing.T) {
	for _, o := range []VerifyOptions{
		{Sample: 500}, {Sample: 500, ReadData: true, Spec: "latest"}, {Sample: 500, ReadData: true, Attest: true}, {Attest: true},
	} {
		var usage *UsageError
		if _, err := Verify(t.Context(), testEnv(t, nil), o); !errors.As(err, &usage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
