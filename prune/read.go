package prune

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"davit/engine"
	"davit/engine/hostfs"
)

// ReadOptions steer Read.
type ReadOptions struct {
	Now   func() time.Time
	Used  *Ledger // what is remembered of earlier uses; nil for nothing
	Exact bool    // measure layers on the disk instead of believing the engine's books
}

// Read asks an engine for everything a decision depends on. It changes nothing.
func Read(ctx context.Context, e Reader, o ReadOptions) (*Facts, error) {
	r := &reading{engine: e, options: o, facts: &Facts{Taken: o.Now().UTC(), Units: map[string]int64{}, Foreign: map[string]string{}}}
	if err := r.ask(ctx); err != nil {
		return nil, err
	}
	r.about()
	r.readLayers(ctx)
	r.addImages()
	r.addContainers()
	r.addVolumes()
	r.addNetworks()
	r.addCache()
	r.pinServices()
	r.pinMounts()
	o.Used.remember(r.facts)
	r.facts.sort()
	return r.facts, ctx.Err()
}

// reading is one run of Read.
type reading struct {
	engine  Reader
	options ReadOptions
	facts   *Facts
	layers  layers

	info       engine.Info
	local      bool
	notLocal   string
	containers []engine.Container
	images     []heldImage
	imageByID  map[string]*heldImage
	store      *contentStore // nil where the engine itself is asked
	unread     error         // why the engine was asked for images, although its books are here
	volumes    []engine.Volume
	networks   []engine.Network
	cache      []engine.CacheRecord
	services   []engine.ServiceRefs
	noServices error // the engine is part of a swarm and cannot tell
}

// ask takes all lists. The engine answers from memory, except for the build cache of engines before 23, and for images
// in containerd's store.
func (r *reading) ask(ctx context.Context) error {
	var err error
	if r.info, err = r.engine.Info(ctx); err != nil {
		return err
	}
	r.local, r.notLocal = r.engine.Local(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.listContainers(ctx) })
	g.Go(func() error { return r.listImages(ctx) })
	g.Go(func() (err error) { r.volumes, err = r.engine.Volumes(ctx); return err })
	g.Go(func() (err error) { r.networks, err = r.engine.Networks(ctx); return err })
	g.Go(func() (err error) { r.cache, err = r.engine.BuildCache(ctx); return err })
	if r.info.Swarm {
		g.Go(func() error { r.services, r.noServices = r.engine.Services(ctx); return nil })
	}
	err = g.Wait()
	r.imageByID = make(map[string]*heldImage, len(r.images))
	for i := range r.images {
		r.imageByID[r.images[i].ID] = &r.images[i]
	}
	return err
}

// listImages reads the images from the books of a local engine, and asks the engine where these cannot be read.
func (r *reading) listImages(ctx context.Context) error {
	if r.local {
		if r.unread = r.readImages(); r.unread == nil {
			return nil
		}
	}
	list, err := r.engine.AllImages(ctx)
	for _, img := range list {
		doc := readImageDoc(img.Raw)
		r.images = append(r.images, heldImage{img, doc.Parent, doc.Metadata.LastTagTime})
	}
	return err
}

func (r *reading) readImages() (err error) {
	if !r.info.ContainerdStore {
		r.images, err = graphImages(filepath.Join(r.info.DataRoot, "image", r.info.Driver))
		return err
	}
	store, err := r.openContainerd()
	if err == nil {
		r.store, r.images = store, store.list()
	}
	return err
}

// listContainers inspects the containers. Where the engine's list of them is slow, their folders are the list, if the
// engine knows as many.
func (r *reading) listContainers(ctx context.Context) (err error) {
	if r.local && r.info.ContainerdStore {
		if ids := folderNames(filepath.Join(r.info.DataRoot, "containers")); len(ids) > 0 {
			r.containers, err = r.engine.ContainersByID(ctx, ids)
			if err != nil || len(r.containers) == r.info.Containers {
				return err
			}
		}
	}
	r.containers, err = r.engine.Containers(ctx)
	return err
}

func folderNames(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// about fills in which engine and disk it is.
func (r *reading) about() {
	store := "graphdriver"
	if r.info.ContainerdStore {
		store = "containerd"
	}
	r.facts.Engine = EngineFacts{
		ID: r.info.ID, Name: r.info.Name, Endpoint: r.engine.Endpoint(), Version: r.info.Version,
		Store: store, DataRoot: r.info.DataRoot, Local: r.local,
	}
	if !r.local {
		r.note("bytes are estimates, as the engine tells them: its disk cannot be seen from here: %s", r.notLocal)
		return
	}
	path := r.info.DataRoot
	if r.info.ContainerdStore && r.info.ContainerdRoot != "" {
		path = r.info.ContainerdRoot
	}
	space, err := ReadSpace(path)
	if err != nil {
		r.note("free space of %s is not known: %v", path, err)
		return
	}
	r.facts.Space = space
}

// ReadSpace says how full the file system of a folder is.
func ReadSpace(path string) (*Space, error) {
	v, err := hostfs.VolumeOf(path)
	if err != nil {
		return nil, fmt.Errorf("look for room: %w", err)
	}
	return &Space{Path: path, Total: v.Total, Free: v.Free, Inodes: v.Inodes, FreeInodes: v.FreeInodes}, nil
}

func (r *reading) note(format string, a ...any) {
	r.facts.Notes = append(r.facts.Notes, fmt.Sprintf(format, a...))
}

func (r *reading) add(o Object) {
	_, drill := o.Labels[engine.LabelDrill]
	if drill || slices.ContainsFunc(o.Tags, func(tag string) bool { return strings.HasPrefix(tag, engine.DrillTags) }) {
		o.Pins = append(o.Pins, "a restore drill")
	}
	r.facts.Objects = append(r.facts.Objects, o)
}
