package backup

import (
	"errors"
	"os"
	"testing"

	"filippo.io/age"

	"davit/backup/repo"
	"davit/engine/enginetest"
)

// repaired makes the index anew without what is damaged, as backup repair does.
func repaired(t *testing.T, env *Env, readData bool) []DamagedBlob {
	t.Helper()
	list, err := FindDamage(t.Context(), env, readData)
	if err != nil {
		t.Fatal(err)
	}
	var damaged []repo.Digest
	for _, b := range list {
		d, err := repo.ParseDigest(b.Digest)
		if err != nil {
			t.Fatal(err)
		}
		damaged = append(damaged, d)
	}
	if _, err := env.Repo.RebuildIndex(t.Context(), damaged...); err != nil {
		t.Fatal(err)
	}
	return list
}

// What is damaged is told with its files, and the next backup stores it anew: also one that has in its cache the part that
// the damaged chunk was in, when another run was the first to store the chunk again. Then new snapshots restore;
// the old ones as well, or, when encrypted, not at all.
func TestRepair(t *testing.T) {
	enginetest.NeedRoot(t)
	for name, damage := range map[string]func(path string) error{
		"a flipped bit": func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[len(data)/2] ^= 4
			return os.WriteFile(path, data, 0o600)
		},
		"missing": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			clearAndEncrypted(t, func(t *testing.T, env *Env) {
				env.Now = settledClock()
				src := t.TempDir()
				write(t, src+"/state", "state 1")
				options := CreateOptions{Selection: Selection{Paths: []string{src}}}
				old := create(t, env, options)
				chunk := pickBlobs(t, env).chunk
				if err := damage(blobFile(env, chunk)); err != nil {
					t.Fatal(err)
				}
				if list := repaired(t, env, false); name != "missing" && len(list) > 0 {
					t.Errorf("damaged, before anybody read it: %+v", list)
				}
				list := repaired(t, env, true)
				if len(list) != 1 || list[0].Digest != chunk.String() || len(list[0].Hits) != 1 || len(list[0].Hits[0].Files) == 0 {
					t.Errorf("damaged: %+v", list)
				}
				other := *env
				other.CacheDir = t.TempDir()
				create(t, &other, options)
				create(t, env, options)
				want := describe(t, src)
				spec := ":path/" + EncodeName(src)
				if out, err := tryRestore(t, env, "latest"+spec); err != nil {
					t.Errorf("the next snapshot: %v", err)
				} else {
					same(t, "the next snapshot", want, describe(t, out))
				}
				out, err := tryRestore(t, env, old.Snapshot+spec)
				var lost *repo.DamagedError
				switch {
				case env.Repo.Encrypted() && !errors.As(err, &lost):
					t.Errorf("the old snapshot: %v", err)
				case !env.Repo.Encrypted() && err != nil:
					t.Errorf("the old snapshot: %v", err)
				case err == nil:
					same(t, "the old snapshot", want, describe(t, out))
				}
			})
		})
	}
}

// Without a key what an earlier verify found is taken out all the same.
func TestRepairWithoutKey(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir()
	write(t, src+"/state", "state 1")
	h.save(t, src)
	chunk := pickBlobs(t, h.reader(t)).chunk
	if err := os.WriteFile(blobFile(h.reader(t), chunk), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), h.reader(t), VerifyOptions{ReadData: true, Remember: true}); err != nil {
		t.Fatal(err)
	}
	env := h.env(t, nil, []age.Identity{}...)
	if list := repaired(t, env, false); len(list) != 1 || list[0].Digest != chunk.String() {
		t.Errorf("damaged: %+v", list)
	}
	if _, err := FindDamage(t.Context(), env, true); !errors.Is(err, repo.ErrKeyNeeded) {
		t.Errorf("reading without a key: %v", err)
	}
	h.save(t, src)
	if _, err := tryRestore(t, h.reader(t), "latest"); err != nil {
		t.Error(err)
	}
}
