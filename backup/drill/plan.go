package drill

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"davit/backup"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/hostfs"
)

// PlanVersion is the version of a plan as JSON.
const PlanVersion = 1

// Make reads the snapshot and the host and decides what a drill does. It changes nothing. What cannot be done is in the
// plan's Refused; errors are *backup.UsageError, *backup.NotFoundError and those of the repository and the engine.
func Make(ctx context.Context, env *backup.Env, eng Engine, o Options) (*Plan, error) {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	ref, err := backup.ParseItemRef(o.Spec)
	if err != nil {
		return nil, err
	}
	if ref.Kind != "" {
		return nil, &backup.UsageError{Reason: "a drill takes a whole snapshot, not an item of it", Hint: "--volume and --project choose what is rehearsed"}
	}
	if len(o.Volumes) > 0 && len(o.Projects) > 0 {
		return nil, &backup.UsageError{Reason: "--volume and --project exclude each other", Hint: "--volume rehearses volumes without containers"}
	}
	snap, err := findSnapshot(ctx, env, ref.Snapshot, o)
	if err != nil {
		return nil, err
	}
	run, err := runID(env.Now(), env.Rand)
	if err != nil {
		return nil, err
	}
	b := &planner{env: env, eng: eng, plan: newPlan(env, run, snap, o), volumes: map[volumeKey]string{}, wanted: map[string]bool{}}
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	return b.plan, nil
}

func findSnapshot(ctx context.Context, env *backup.Env, spec string, o Options) (repo.Snapshot, error) {
	host := o.Host
	if host == "" {
		host = env.Host
	}
	snap, err := env.Repo.Find(ctx, spec, repo.Query{Host: host, Job: o.Job})
	if err == nil && snap.Sealed() {
		err = repo.ErrKeyNeeded
	}
	return snap, err
}

// runID names a run: it sorts by time, and is good as a part of names of containers and images.
func runID(now time.Time, random io.Reader) (string, error) {
	b := make([]byte, 3)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return now.UTC().Format("20060102t150405") + "-" + hex.EncodeToString(b), nil
}

func newPlan(env *backup.Env, run string, snap repo.Snapshot, o Options) *Plan {
	return &Plan{
		Version: PlanVersion, Run: run, Options: o, snapshot: snap,
		Snapshot: Snapshot{
			ID: snap.ID, Digest: snap.Digest.String(), Repository: env.Repo.Dir(), Encrypted: env.Repo.Encrypted(), Time: snap.Time,
			Host: snap.Host, Job: snap.Job, Complete: snap.Complete, Consistency: snap.Consistency,
			Engine: snap.EngineVersion, Davit: snap.DavitVersion,
		},
		TargetRTO: o.TargetRTO.Seconds(), TargetRPO: o.TargetRPO.Seconds(),
		Volumes: []Volume{}, Images: []Image{}, Networks: []Network{}, Containers: []Container{},
		NotRehearsed: []NotRehearsed{}, Notes: []string{}, Refused: []backup.Refusal{}, labels: map[string]ownedBy{},
	}
}

// planner collects a plan.
type planner struct {
	env    *backup.Env
	eng    Engine
	plan   *Plan
	info   engine.Info
	images []engine.Image // of the engine

	volumes map[volumeKey]string // -> scratch name
	wanted  map[string]bool      // items, KIND/NAME, that are restored; nil entries are left out
	needs   backup.RoomNeeds
}

// volumeKey is what a scratch volume is made from.
type volumeKey struct{ kind, name, path string }

func (b *planner) build(ctx context.Context) error {
	var err error
	if b.info, err = b.eng.Info(ctx); err != nil {
		return err
	}
	if b.images, err = b.eng.Images(ctx); err != nil {
		return err
	}
	if local, why := b.eng.Local(ctx); !local {
		b.plan.Refused = append(b.plan.Refused, backup.Refusal{Reason: "the engine is not local: " + why, Hint: "run the drill on the engine's own host"})
	}
	levels, err := b.selected(ctx)
	if err != nil {
		return err
	}
	if err := b.addContainers(ctx, levels); err != nil {
		return err
	}
	if err := b.addItems(ctx); err != nil {
		return err
	}
	if err := b.checkProbes(); err != nil {
		return err
	}
	if len(b.plan.Volumes)+len(b.plan.Containers)+len(b.plan.documents) == 0 {
		return &backup.UsageError{Reason: "nothing to rehearse is selected", Hint: "davit backup show " + b.plan.Snapshot.ID + " lists what the snapshot holds"}
	}
	return b.room()
}

// selected reads the containers that are meant.
func (b *planner) selected(ctx context.Context) ([][]backup.SavedContainer, error) {
	o := &b.plan.Options
	for _, v := range o.Volumes {
		if _, ok := b.plan.snapshot.Find(backup.KindVolume, v); !ok {
			return nil, &backup.NotFoundError{What: "volume", Name: v, Where: "snapshot " + b.plan.Snapshot.ID}
		}
	}
	if len(o.Volumes) > 0 {
		return nil, nil
	}
	levels, err := backup.SavedContainers(ctx, b.env, b.plan.snapshot)
	if err != nil || len(o.Projects) == 0 {
		return levels, err
	}
	found := map[string]bool{}
	for i, level := range levels {
		levels[i] = slices.DeleteFunc(level, func(c backup.SavedContainer) bool {
			doc, err := readSaved(c.Raw)
			project := ""
			if err == nil {
				project = doc.Config.Labels[labelProject]
			}
			found[project] = true
			return !slices.Contains(o.Projects, project)
		})
	}
	for _, p := range o.Projects {
		if !found[p] {
			return nil, &backup.NotFoundError{What: "project", Name: p, Where: "snapshot " + b.plan.Snapshot.ID}
		}
	}
	return levels, nil
}

const labelProject = "com.docker.compose.project"

// checkProbes finds probes of containers that are not there.
func (b *planner) checkProbes() error {
	for _, p := range b.plan.Options.Probes {
		c := b.plan.container(p.Container)
		if c == nil {
			return &backup.UsageError{
				Reason: fmt.Sprintf("a probe is for container %s, which is not part of the drill", p.Container),
				Hint:   "davit backup drill --dry-run lists the containers",
			}
		}
		if !c.Start {
			return &backup.UsageError{Reason: fmt.Sprintf("a probe is for container %s, which did not run when it was saved", p.Container)}
		}
	}
	return nil
}

func (p *Plan) container(of string) *Container {
	i := slices.IndexFunc(p.Containers, func(c Container) bool { return c.Of == of })
	if i < 0 {
		return nil
	}
	return &p.Containers[i]
}

// imageMargin is kept free beside what images take, as when they are restored.
const imageMargin = 256 << 20

// room looks whether there is room for all of it on the engine's disk.
func (b *planner) room() error {
	r := &b.plan.Room
	r.Path = b.info.DataRoot
	var images int64
	for _, v := range b.plan.Volumes {
		r.Inodes += v.Entries
		b.needs.AddBytes(filepath.Join(b.info.DataRoot, "volumes"), v.Bytes, v.Entries)
		r.Bytes += v.Bytes
	}
	for _, i := range b.plan.Images {
		if i.Action == ImageLoad {
			images += i.Bytes
		}
	}
	if images > 0 && !b.info.ContainerdStore {
		images *= 2 // the engine unpacks the archive before it makes layers of it
	}
	if images > 0 {
		images += imageMargin
		b.needs.AddBytes(b.imageRoot(), images, 0)
		r.Bytes += images
	}
	if len(b.plan.Refused) > 0 {
		return nil // of an engine elsewhere the disk is not seen
	}
	var err error
	if r.Free, r.FreeInodes, err = hostfs.Space(b.info.DataRoot); err != nil {
		return err
	}
	refused, err := b.needs.Check()
	for i := range refused {
		refused[i].Hint = "free some space there, or rehearse less: --project, --volume"
	}
	b.plan.Refused = append(b.plan.Refused, refused...)
	return err
}

// imageRoot is where the engine keeps what it loads.
func (b *planner) imageRoot() string {
	if b.info.ContainerdStore && b.info.ContainerdRoot != "" {
		return b.info.ContainerdRoot
	}
	return b.info.DataRoot
}

// scratchName is the name of something that a drill makes: of the original's name what may stand in a name.
func scratchName(run, kind string, n int, of string) string {
	const longest = 40
	clean := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			return c
		}
		return '-'
	}, of)
	if len(clean) > longest {
		clean = clean[:longest]
	}
	return fmt.Sprintf("davit-drill-%s-%s%d-%s", run, kind, n, clean)
}
