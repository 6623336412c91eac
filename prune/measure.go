package prune

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Measure fills in the bytes of containers and volumes that a plan would remove: nobody keeps books about them, so
// their folders are walked. Without a local engine they stay unknown.
func Measure(ctx context.Context, f *Facts, plan *Plan) error {
	if !f.Engine.Local {
		return nil
	}
	for i := range plan.Removed {
		o := &plan.Removed[i].Object
		if o.Kind != Container && o.Kind != Volume {
			continue
		}
		unit := o.Units[len(o.Units)-1]
		f.Units[unit] = 0
		for _, folder := range f.folders(o) {
			n, err := diskUsage(ctx, folder)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err != nil:
				f.Notes = append(f.Notes, fmt.Sprintf("%s: %v", o.title(), err))
			}
			f.Units[unit] += n
		}
	}
	return nil
}

// folders are what goes from the disk with a container or a volume.
func (f *Facts) folders(o *Object) []string {
	var list []string
	if o.Kind == Volume {
		if o.Path != "" {
			list = append(list, filepath.Dir(o.Path))
		}
		return list
	}
	if o.Path != "" {
		layer := filepath.Dir(o.Path) // beside it: the work folder, and the init layer for hosts and resolv.conf
		list = append(list, layer, layer+"-init")
	}
	return append(list, filepath.Join(f.Engine.DataRoot, "containers", filepath.Base(o.ID)))
}

// Make reads, decides and measures: all there is to a plan.
func Make(ctx context.Context, e Reader, p *Policy, o Options, read ReadOptions) (*Plan, *Facts, error) {
	began := read.Now()
	f, err := Read(ctx, e, read)
	if err != nil {
		return nil, nil, err
	}
	everything, unbound := *p, o
	everything.Target, everything.Limits, unbound.Target = Target{}, Limits{}, nil
	if err := Measure(ctx, f, Decide(f, &everything, unbound)); err != nil {
		return nil, nil, err
	}
	plan := Decide(f, p, o)
	plan.Exact = read.Exact && f.Engine.Local
	plan.Seconds = read.Now().Sub(began).Seconds()
	return plan, f, nil
}
