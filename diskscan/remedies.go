package diskscan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Remedy is something that frees space now.
type Remedy struct {
	What    string   `json:"what"`
	Bytes   int64    `json:"bytes"`             // that it really frees
	Command []string `json:"command,omitempty"` // for davit, without the word davit
	Advice  string   `json:"advice,omitempty"`  // where no command of ours does it
	Undo    string   `json:"undo"`              // "no", or how
}

// worthwhile is what a remedy must free to be named.
const worthwhile = 64 << 10

// remedies says what can be freed now, the most first. Each line counts for itself: what two of them would free is in
// none of both, except that images share layers with the build cache, of which the latter's line leaves them out.
func remedies(r *Report, facts *Facts) []Remedy {
	all := logRemedies(r, facts)
	all = append(all, openRemedies(r)...)
	all = append(all, unusedImages(r, facts), stoppedContainers(r), buildCache(r))
	for _, kind := range []Kind{AnonymousVolume, Volume} {
		all = append(all, unusedVolumes(r, kind))
	}
	all = append(all, halfDeleted(r))
	all = slices.DeleteFunc(all, func(m Remedy) bool { return m.Bytes < worthwhile })
	slices.SortStableFunc(all, func(a, b Remedy) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return all
}

func logRemedies(r *Report, facts *Facts) (all []Remedy) {
	x := facts.index()
	for _, o := range r.Owners {
		c := x.containers[o.ID]
		if o.Kind != Log || c == nil || c.LogDriver != "json-file" || c.LogLimited {
			continue
		}
		all = append(all, Remedy{
			What: "log of " + o.Name + ", which has no limit", Bytes: o.Bytes,
			Command: []string{"diskscan", "logs", "--truncate", o.Name, "--yes"}, Undo: "no; --keep SIZE saves the end elsewhere",
		})
	}
	return all
}

func openRemedies(r *Report) (all []Remedy) {
	for _, f := range r.DeletedOpen {
		m := Remedy{What: "deleted file that " + f.Process + " still has open: " + f.Path, Bytes: f.Bytes, Undo: "no; the content is lost"}
		switch {
		case f.Container != "":
			m.What += " (container " + f.Container + ")"
			m.Command = []string{"restart", f.Container}
		default:
			m.Advice = "restart " + f.Process + " (pid " + strconv.Itoa(f.PID) + ")"
		}
		all = append(all, m)
	}
	return all
}

// unusedImages are all images without a container: what only they use goes with them.
func unusedImages(r *Report, facts *Facts) Remedy {
	m := Remedy{Command: []string{"image", "rm"}, Undo: "pull them again"}
	x := facts.index()
	images := 0
	for _, img := range facts.Images {
		if len(x.instances[img.ID]) > 0 {
			continue
		}
		images++
		if !img.Pullable {
			m.Undo = "no: some are in no registry; davit backup create --image saves them"
		}
		if len(img.Tags) == 0 {
			m.Command = append(m.Command, shortID(img.ID))
		}
		m.Command = append(m.Command, img.Tags...)
	}
	slices.Sort(m.Command[2:])
	for _, o := range r.Owners {
		switch o.Kind {
		case Image, SharedLayers, ImageContent, SharedContent:
			if o.State == unused {
				m.Bytes += o.Bytes - o.Held
			}
		}
	}
	m.What = plural(images, "image") + " without a container"
	return m
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func stoppedContainers(r *Report) Remedy {
	m := Remedy{Command: []string{"rm"}, Undo: "no"}
	names := map[string]bool{}
	for _, o := range r.Owners {
		switch o.Kind {
		case WritableLayer, ContainerFiles, Log:
			if o.State == "exited" || o.State == "created" || o.State == "dead" {
				m.Bytes += o.Bytes
				names[o.Name] = true
			}
		}
	}
	m.What = plural(len(names), "stopped container")
	m.Command = append(m.Command, slices.Sorted(maps.Keys(names))...)
	return m
}

func buildCache(r *Report) Remedy {
	m := Remedy{What: "build cache", Command: []string{"builder", "prune", "--all"}, Undo: "no; the next builds are slower"}
	for _, o := range r.Owners {
		if o.Kind == BuildCache && o.Name == "build cache" {
			m.Bytes += o.Bytes
		}
	}
	return m
}

func unusedVolumes(r *Report, kind Kind) Remedy {
	m := Remedy{Command: []string{"volume", "rm"}, Undo: "no; davit backup create --volume saves them"}
	n := 0
	for _, o := range r.Owners {
		if o.Kind == kind && o.State == unused {
			m.Bytes += o.Bytes
			m.Command = append(m.Command, o.Name)
			n++
		}
	}
	m.What = plural(n, strings.ReplaceAll(string(kind), "-", " ")) + " that no container uses"
	return m
}

func halfDeleted(r *Report) Remedy {
	m := Remedy{What: "half-deleted layers", Advice: "restart the engine: it tries again to delete them", Undo: "not needed"}
	for _, o := range r.Owners {
		if o.Kind == Leftover && o.Name == "half-deleted layers" {
			m.Bytes += o.Bytes
		}
	}
	return m
}
