package repo

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"davit/engine/hostfs"
)

// In an encrypted repository any host can claim that some blob holds the content
// with some id, and a host that cannot decrypt cannot look. So a host takes for
// stored what it stored itself, and what somebody with an identity has read and
// attested: anything else it stores again.

// pairSet holds pairs of an id and a digest, shortened.
type pairSet map[[16]byte]struct{}

func pairOf(b Blob) [16]byte {
	sum := sha256.Sum256(append(b.ID[:], b.Digest[:]...))
	return [16]byte(sum[:16])
}

func (s pairSet) has(b Blob) bool {
	_, ok := s[pairOf(b)]
	return ok
}

// trust makes blobs known to be what their ids say.
func (x *liveIndex) trust(blobs []Blob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.trusted == nil {
		x.trusted = make(pairSet)
	}
	for _, b := range blobs {
		if !b.Raw() {
			x.trusted[pairOf(b)] = struct{}{}
		}
	}
}

// trustedRefs bounds the snapshots of each job that a host looks through for what it
// stored or somebody attested: older ones hold little that these do not.
const trustedRefs = 10

// learnTrusted finds what this host may take for stored. What cannot be read is not
// trusted, and costs room.
func (r *Repository) learnTrusted(ctx context.Context, refs []ref) error {
	slices.SortFunc(refs, func(a, b ref) int { return cmp.Compare(b.Sequence, a.Sequence) })
	g := newGraph(r)
	type series struct{ host, job string }
	seen := make(map[series]int)
	for _, f := range refs {
		own := r.vault.host != nil && f.Host == r.vault.host.Host
		of := series{f.Host, f.Job}
		if seen[of] >= trustedRefs || !own && !r.isAttested(ctx, f) {
			continue
		}
		seen[of]++
		if _, err := g.addRef(ctx, f); err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	written, err := r.readWritten(ctx)
	if err != nil {
		return err
	}
	r.index.trust(append(g.blobs(), written...))
	return nil
}

// What a run that was cut short has stored is in no snapshot. So a host notes each
// index file that it writes, with its checksum: NAME SHA256 in a line.
const writtenSuffix = ".written"

func (r *Repository) writtenPath() string {
	return filepath.Join(r.opt.HostKeys, r.config.ID+writtenSuffix)
}

// noteWritten remembers an index file of this host's.
func (r *Repository) noteWritten(ctx context.Context, name string) error {
	if r.vault == nil || r.opt.HostKeys == "" {
		return nil
	}
	sum, err := r.indexSum(ctx, name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.opt.HostKeys, dirPerm); err != nil {
		return err
	}
	f, err := os.OpenFile(r.writtenPath(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, filePerm)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %s\n", name, sum)
	return errors.Join(err, f.Close())
}

// indexSum is the checksum at the end of an index file, which openIndexFile checks.
func (r *Repository) indexSum(ctx context.Context, name string) (string, error) {
	f, size, err := r.store.OpenAt(ctx, indexDir+"/"+name, false)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var sum [indexSumLen]byte
	_, err = f.ReadAt(sum[:], max(0, size-indexSumLen))
	return hex.EncodeToString(sum[:]), err
}

// readWritten reads the index files that this host noted and that are still there as
// they were, and forgets the others.
func (r *Repository) readWritten(ctx context.Context) ([]Blob, error) {
	if r.opt.HostKeys == "" {
		return nil, nil
	}
	data, err := os.ReadFile(r.writtenPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was written: %w", err)
	}
	var blobs []Blob
	var kept strings.Builder
	lines := bufio.NewScanner(strings.NewReader(string(data)))
	for lines.Scan() {
		name, sum, _ := strings.Cut(lines.Text(), " ")
		found, ok := r.indexAsWritten(ctx, name, sum)
		if !ok {
			continue
		}
		blobs = append(blobs, found...)
		fmt.Fprintln(&kept, lines.Text())
	}
	if kept.Len() < len(data) {
		err = hostfs.WriteFile(r.writtenPath(), []byte(kept.String()), filePerm)
	}
	return blobs, err
}

func (r *Repository) indexAsWritten(ctx context.Context, name, sum string) (blobs []Blob, ok bool) {
	if !isIndexName(name) {
		return nil, false
	}
	if have, err := r.indexSum(ctx, name); err != nil || have != sum {
		return nil, false
	}
	f, _, err := openIndexFile(ctx, r.store, indexDir, name)
	if err != nil {
		return nil, false
	}
	defer f.file.Close()
	records, err := f.records()
	for err == nil {
		var b Blob
		if b, err = records.Next(); err == nil {
			blobs = append(blobs, b)
		}
	}
	return blobs, errors.Is(err, io.EOF)
}

// attestation says that all of a snapshot was decrypted and is what its ids say:
// davit/attested/<snapshot>.json.
type attestation struct {
	Version   int       `json:"version"`
	ID        string    `json:"id"`
	Digest    string    `json:"digest"` // of the snapshot's index
	Time      time.Time `json:"time"`
	Signature string    `json:"signature"` // by the authority, hex
}

func (a attestation) statement(repository string) ([]byte, error) {
	return json.Marshal([]any{"davit attested 1", repository, a.ID, a.Digest, a.Time.UTC().Format(time.RFC3339Nano)})
}

// Attest tells all hosts that they may refer to what a snapshot consists of. Who
// calls it has read and checked all of it; it needs an identity.
func (r *Repository) Attest(snap Snapshot) error {
	if r.vault == nil {
		return nil
	}
	if err := r.mayReplace(); err != nil {
		return fmt.Errorf("attest snapshot %s: %w", snap.ID, err)
	}
	key, err := r.vault.unlock()
	if err != nil {
		return fmt.Errorf("attest snapshot %s: %w", snap.ID, err)
	}
	authority, err := authorityOf(key, r.config.ID)
	if err != nil {
		return err
	}
	a := attestation{Version: 1, ID: snap.ID, Digest: snap.Digest.String(), Time: r.opt.Now().UTC().Round(0)}
	text, err := a.statement(r.config.ID)
	if err != nil {
		return err
	}
	a.Signature = hex.EncodeToString(ed25519.Sign(authority, text))
	data, err := encodeChecked(a)
	if err != nil {
		return err
	}
	if err := r.store.Put(context.Background(), attestDir+"/"+snap.ID+refSuffix, data); err != nil {
		return fmt.Errorf("attest snapshot %s: %w", snap.ID, err)
	}
	return nil
}

// isAttested tells whether the authority vouches for what a ref leads to.
func (r *Repository) isAttested(ctx context.Context, f ref) bool {
	data, err := r.store.Get(ctx, attestDir+"/"+f.ID+refSuffix, maxSmallFile)
	if err != nil {
		return false
	}
	var a attestation
	if json.Unmarshal(data, &a) != nil || a.ID != f.ID || a.Digest != f.Digest {
		return false
	}
	value, err := decodeHex(a.Signature, ed25519.SignatureSize)
	if err != nil {
		return false
	}
	text, err := a.statement(r.config.ID)
	return err == nil && ed25519.Verify(r.vault.authority, text, value)
}
