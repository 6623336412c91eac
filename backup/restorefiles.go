package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"davit/backup/archive"
	"davit/engine"
	"davit/engine/hostfs"
)

// writeFolder restores a tree into a folder that is absent or empty. When it fails, what
// it made is removed again.
func (r *restoreRun) writeFolder(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) (err error) {
	if step.far {
		return r.fillFar(ctx, step, engine.AgentMount{Source: step.Target, Target: farTarget}, rep)
	}
	folder := step.Target
	if step.staged && step.file == "" {
		folder = filepath.Dir(folder)
	}
	made, err := makeFolders(folder)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && made != "" {
			err = errors.Join(err, os.RemoveAll(made))
		}
	}()
	if step.staged {
		return r.restoreStaged(ctx, step, step.Target, rep)
	}
	if step.file == "" {
		// Time has passed since the plan was made.
		empty, err := absentOrEmpty(step.Target)
		if err == nil && !empty && step.Path == "" {
			err = fmt.Errorf("%s is not empty any more", step.Target)
		}
		if err != nil {
			return err
		}
	}
	dst, err := hostfs.OpenRoot(step.Target)
	if err != nil {
		return err
	}
	defer closing(dst, &err)
	return r.restoreTree(ctx, step, dst, rep)
}

// makeFolders makes a folder with its missing parents and returns the topmost one it made.
func makeFolders(dir string) (made string, err error) {
	for path := dir; ; path = filepath.Dir(path) {
		_, err := os.Lstat(path)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("make folder: %w", err)
		}
		made = path
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return made, nil
}

// writeFile writes a definition or an image as a file.
func (r *restoreRun) writeFile(ctx context.Context, step *RestoreStep) (err error) {
	if err := os.MkdirAll(filepath.Dir(step.Target), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if step.Kind != KindImage {
		data, _, err := readDefinition(ctx, r.env.Repo, step.item.Desc)
		if err != nil {
			return err
		}
		return hostfs.WriteFile(step.Target, data, 0o600)
	}
	img, err := archive.ParseItem(step.item.Desc, step.item.Annotations)
	if err != nil {
		return err
	}
	stream, err := exportImages(ctx, r.env.Repo, []archive.ExportImage{exportImage(img)}, archive.ExportOptions{
		Target: fileTarget(img.Kind),
	})
	if err != nil {
		return err
	}
	defer closing(stream, &err)
	f, err := hostfs.Create(step.Target, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, &countingReader{r: stream, add: r.env.reporter().Add}); err != nil {
		f.Abort()
		return fmt.Errorf("write %s: %w", step.Target, err)
	}
	return f.Commit()
}

// fileTarget is the form of an archive file: the one that keeps the image's id.
func fileTarget(kind archive.StoreKind) archive.Target {
	if kind == archive.Containerd {
		return archive.TargetContainerd
	}
	return archive.TargetGraph
}
