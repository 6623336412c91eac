package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"davit/backup/chunk"
	"davit/backup/tartree"
)

// What the engine's archive API does not keep.
const (
	notCopied  = "without extended attributes but capabilities, ACLs, holes, sockets and fractions of seconds"
	notWritten = "without holes and the time of its topmost folder"
)

// openCopiedTree opens a volume that only the engine can copy. Each pass copies all of it.
func (r *createRun) openCopiedTree(ctx context.Context, it *PlannedItem) (*tree, error) {
	copier, err := r.env.Copy(ctx, it.Name, false)
	if err != nil {
		return nil, err
	}
	dir := r.env.CacheDir
	if dir == "" {
		dir = os.TempDir()
	}
	files := tartree.New(it.Ref(), dir, copier.Read)
	r.report.Notes = append(r.report.Notes, it.Ref()+" was copied by the engine, "+notCopied)
	return &tree{
		item: it, files: files, skip: newExcludePatterns(append(append([]string{}, r.plan.Options.Selection.Exclude...), it.Exclude...)),
		cache: chunk.OpenCache("", ""), notEntered: map[string]string{},
		ends: []func(context.Context) error{func(context.Context) error { return files.Close() }, copier.Close},
	}, nil
}

// fillCopied has the engine unpack a step's files in an empty volume.
func (r *restoreRun) fillCopied(ctx context.Context, step *RestoreStep, volume string, rep *RestoreStepReport) (err error) {
	copier, err := r.env.Copy(ctx, volume, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copier.Close(context.WithoutCancel(ctx))) }()
	if err := checkEmptyCopy(ctx, copier); err != nil {
		return fmt.Errorf("%s: %w", step.Target, err)
	}
	read, write := io.Pipe()
	streamed := make(chan error, 1)
	go func() {
		err := chunk.Stream(ctx, r.env.Repo, step.item.Desc, &countingWriter{w: write, add: r.env.reporter().Add})
		write.CloseWithError(err)
		streamed <- err
	}()
	written := copier.Write(ctx, read)
	read.Close()
	if err := <-streamed; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	if written != nil {
		return written
	}
	rep.Files, rep.Entries = annotatedNumber(step.item, annFiles, 0), annotatedNumber(step.item, annEntries, 0)
	return nil
}

// checkEmptyCopy looks whether a volume holds anything beside its own folder.
func checkEmptyCopy(ctx context.Context, copier VolumeCopier) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	archive, err := copier.Read(ctx)
	if err != nil {
		return err
	}
	defer archive.Close() // what follows is not wanted
	t := tar.NewReader(archive)
	for n := 0; ; n++ {
		_, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("look into the volume: %w", err)
		case n > 0:
			return errors.New("the volume is not empty")
		}
	}
}

// countingWriter tells how much was written.
type countingWriter struct {
	w   io.Writer
	add func(int64)
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.add(int64(n))
	return n, err
}
