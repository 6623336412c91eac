package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"davit/backup"
	"davit/backup/archive"
	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/hostfs"
)

// networks makes the scratch networks: internal, and without an address of the host in them, so that what runs there
// reaches nothing but each other.
func (r *run) networks(ctx context.Context) error {
	for _, n := range r.plan.Networks {
		doc, err := json.Marshal(map[string]any{
			"Name": n.Name, "Driver": "bridge", "Internal": true,
			"Options": map[string]string{"com.docker.network.bridge.inhibit_ipv4": "true"},
			"Labels":  r.labels(n.Of),
		})
		if err != nil {
			return fmt.Errorf("make network for %s: %w", n.Of, err)
		}
		if _, err := r.env.Engine.CreateNetwork(ctx, doc); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) labels(of string) map[string]string {
	return map[string]string{engine.LabelDrill: r.plan.Run, LabelOf: of}
}

// images loads what the engine does not have, in one archive: layers that images share are sent once.
func (r *run) images(ctx context.Context) error {
	began := r.env.Now()
	var load []archive.ExportImage
	for _, i := range r.plan.Images {
		if i.Action == ImageLoad {
			load = append(load, archive.ExportImage{Desc: i.image.Desc, Absent: i.image.Absent, Tags: []string{i.Tag}})
		}
	}
	var failed error
	if len(load) > 0 {
		r.reporter().Item("images")
		if failed = backup.LoadImages(ctx, r.env, load); ctx.Err() != nil || engine.IsUnreachable(failed) {
			return failed
		}
	}
	for _, i := range r.plan.Images {
		c := Check{Name: "image", About: backup.FormatItem(backup.KindImage, i.Name), Result: Pass, Detail: "is here already: not loaded from the snapshot"}
		r.imageIDs[i.ID] = i.ID
		if i.Action == ImageLoad {
			img, err := r.eng.InspectImage(ctx, i.Tag)
			if c.Detail = "loaded from the snapshot"; err != nil {
				delete(r.imageIDs, i.ID)
				c.Result, c.Detail = Fail, errors.Join(failed, err).Error()
			} else {
				r.imageIDs[i.ID] = img.ID
			}
		}
		r.report.Images = append(r.report.Images, ImageReport{Image: i, Result: c.Result})
		r.check(began, c)
	}
	return nil
}

// volumes restores every scratch volume and compares it with the snapshot.
func (r *run) volumes(ctx context.Context) error {
	for _, v := range r.plan.Volumes {
		about := v.about()
		r.reporter().Item(about)
		rep := VolumeReport{Volume: v, Result: Pass}
		began := r.env.Now()
		made, err := r.env.Engine.CreateVolume(ctx, engine.VolumeSpec{Name: v.Name, Driver: "local", Labels: r.labels(v.Of)})
		if err != nil {
			return err
		}
		r.mountpoints[v.Name] = made.Mountpoint
		if v.Item == "" {
			r.report.Volumes = append(r.report.Volumes, rep)
			continue
		}
		c, err := r.restoreVolume(ctx, v, made, &rep)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c = Check{Result: Fail, Detail: err.Error()}
		}
		c.Name, c.About, rep.Result = "files", about, c.Result
		r.broken[v.Name] = c.Result == Fail
		r.report.Volumes = append(r.report.Volumes, rep)
		r.check(began, c)
	}
	return nil
}

// about names what a volume is filled from.
func (v *Volume) about() string {
	if v.Path == "" {
		return v.Item
	}
	return v.Item + "//" + v.Path
}

func (r *run) restoreVolume(ctx context.Context, v Volume, made engine.Volume, rep *VolumeReport) (c Check, err error) {
	if made.Driver != "local" || len(made.Options) > 0 || made.Labels[engine.LabelDrill] != r.plan.Run {
		return c, fmt.Errorf("volume %s is not the one that was to be made", v.Name)
	}
	root, err := hostfs.OpenRoot(made.Mountpoint)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	began := r.env.Now()
	progress := itemProgress{r.reporter()}
	restored, err := chunk.Restore(ctx, r.env.Repo, v.item.Desc, root, chunk.RestoreOptions{Path: v.Path, Progress: progress})
	if err == nil {
		err = root.Syncfs()
	}
	rep.Restore = r.env.Now().Sub(began).Seconds()
	if err != nil {
		return c, errors.Join(fmt.Errorf("restore: %w", err), r.whatIsHit(ctx, v.item))
	}
	if v.Path != "" {
		if err := plainInside(made.Mountpoint, path.Base(v.Path)); err != nil {
			return c, err
		}
	}
	began = r.env.Now()
	compared, err := chunk.Compare(ctx, r.env.Repo, v.item.Desc, root, chunk.CompareOptions{Path: v.Path, Progress: progress})
	rep.Compare = r.env.Now().Sub(began).Seconds()
	if err != nil {
		return c, fmt.Errorf("compare: %w", err)
	}
	rep.Files, rep.Entries, rep.Bytes, rep.Chunks = compared.Files, compared.Entries, compared.Bytes, compared.Chunks
	return judgeVolume(restored, compared), nil
}

// judgeVolume tells what differs between a scratch volume and the snapshot.
func judgeVolume(restored *chunk.RestoreResult, compared *chunk.CompareResult) Check {
	var wrong []string
	for _, d := range compared.Differences {
		wrong = append(wrong, fmt.Sprintf("%q %s", "/"+d.Path, d.What))
	}
	if len(wrong) == 0 {
		for _, p := range restored.Problems {
			if !p.Harmless() {
				wrong = append(wrong, fmt.Sprintf("%q: %s", "/"+p.Path, p.Reason))
			}
		}
	}
	if len(wrong) > 0 {
		more := ""
		if n := len(wrong) + compared.More - 1; n > 0 {
			more = fmt.Sprintf(", and %d more", n)
		}
		return Check{Result: Fail, Detail: "differs from the snapshot: " + wrong[0] + more, Output: strings.Join(wrong[:min(len(wrong), maxListed)], "\n")}
	}
	return Check{Result: Pass, Detail: fmt.Sprintf("all is what the snapshot says: %d files and folders, %s; %s checked",
		compared.Entries, count(compared.Bytes, "byte"), count(compared.Chunks, "chunk"))}
}

// maxListed bounds what a check lists.
const maxListed = 100

// whatIsHit names the damage of an item and the files that are lost with it.
func (r *run) whatIsHit(ctx context.Context, it repo.Item) error {
	report, err := backup.Verify(ctx, r.quiet(), backup.VerifyOptions{Spec: r.itemSpec(it), ReadData: true})
	if err != nil {
		return err
	}
	return damage(report)
}

// quiet is the environment without its reporter, for what has no place in the progress.
func (r *run) quiet() *backup.Env {
	env := *r.env
	env.Reporter = nil
	return &env
}

func (r *run) itemSpec(it repo.Item) string {
	return r.plan.Snapshot.ID + ":" + backup.FormatItem(it.Kind, it.Name)
}

// damage is what a verification found, as an error that names some of the files.
func damage(report *backup.VerifyReport) error {
	const named = 10
	var errs []error
	for _, d := range report.Damaged {
		var files []string
		for _, hit := range d.Hits {
			files = append(files, hit.Files...)
		}
		slices.Sort(files)
		text := fmt.Sprintf("blob %s: %s", d.Digest, d.Reason)
		if len(files) > 0 {
			text += fmt.Sprintf("; it hits %q", files[:min(len(files), named)])
		}
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// plainInside makes sure that what is going to be mounted from inside a scratch volume is in it: a link could lead to any
// place of the host.
func plainInside(mountpoint, name string) error {
	info, err := os.Lstat(filepath.Join(mountpoint, name))
	if err != nil {
		return fmt.Errorf("look at what is to be mounted: %w", err)
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return fmt.Errorf("%q is neither a file nor a folder, and is not mounted", name)
	}
	return nil
}

// documents reads definitions, and every blob of images.
func (r *run) documents(ctx context.Context) error {
	read := 0
	began := r.env.Now()
	var wrong []string
	for _, it := range r.plan.documents {
		if it.Kind == backup.KindImage {
			if err := r.imageBlobs(ctx, it); err != nil {
				return err
			}
			continue
		}
		read++
		_, err := backup.ReadSavedDefinition(ctx, r.env, it)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			wrong = append(wrong, backup.FormatItem(it.Kind, it.Name)+": "+err.Error())
		}
	}
	if read == 0 {
		return nil
	}
	c := Check{Name: "definitions", Result: Pass, Detail: count(read, "document") + " read, all whole"}
	if len(wrong) > 0 {
		c.Result, c.Detail = Fail, strings.Join(wrong[:min(len(wrong), maxListed)], "; ")
	}
	r.check(began, c)
	return nil
}

func (r *run) imageBlobs(ctx context.Context, it repo.Item) error {
	began, about := r.env.Now(), backup.FormatItem(it.Kind, it.Name)
	r.reporter().Item("read " + about)
	report, err := backup.Verify(ctx, r.quiet(), backup.VerifyOptions{Spec: r.itemSpec(it), ReadData: true})
	if err != nil {
		return err
	}
	c := Check{Name: "image blobs", About: about, Result: Pass, Detail: count(report.Blobs, "blob") + " read, all whole"}
	if err := damage(report); err != nil {
		c.Result, c.Detail = Fail, err.Error()
	}
	r.check(began, c)
	return nil
}

// itemProgress passes on what is done: what there is to do is known from the snapshot.
type itemProgress struct{ reporter backup.Reporter }

func (itemProgress) Found(int64, int64) {}

func (p itemProgress) Done(_, bytes int64) { p.reporter.Add(bytes) }
